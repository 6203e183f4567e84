"""The folder of a training run: plain formats, and complete files after a kill at any instant."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts import atomic_file
from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.provenance import commit_id, versions
from avatar_app.studio.renamed import current_facts
from avatar_app.studio.train.checkpoint import CHECKPOINT_NAME

log = logging.getLogger(__name__)

# Settings that may change when a run continues, so that it can be extended.
MAY_CHANGE = frozenset({"n_steps"})


class RunFolder:
    """Holds `request.json` (settings, versions, arithmetic), `metrics.jsonl` and `checkpoint.safetensors`.

    Args:
        path: the folder; made when missing.

    Raises:
        StudioError: the folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(
                f"The run folder {path} cannot be made: {error}.", "Choose a folder that can be written to."
            ) from error

    @property
    def checkpoint_file(self) -> Path:
        """Path of the newest checkpoint; the file may be missing."""
        return self.path / CHECKPOINT_NAME

    def open_request(self, config: Mapping[str, Any], seed: int) -> None:
        """Write the settings of a new run, or check those of a continued one.

        Raises:
            StudioError: the folder holds a run with other settings.
        """
        file = self.path / "request.json"
        wanted = json.loads(json.dumps(dict(config)))
        if file.exists():
            _check_same(file, wanted, seed)
            return
        # With several processes, all write the same content.
        request = {"config": wanted, "seed": seed, "commit": commit_id(), "versions": versions()}
        self.write_text("request.json", json.dumps(request, indent=2) + "\n")

    def note_arithmetic(self, n_steps_done: int, name: str) -> None:
        """Add the arithmetic of the next steps to the request; without a request, do nothing.

        Args:
            n_steps_done: number of steps so far.
            name: of the arithmetic.

        Raises:
            StudioError: the request cannot be read or written.
        """
        file = self.path / "request.json"
        if not file.exists():
            return
        request = _read_request(file)
        # Steps after the last checkpoint are repeated, perhaps in another arithmetic.
        kept = {step: before for step, before in request["arithmetic"].items() if int(step) < n_steps_done}
        if list(kept.values())[-1:] != [name]:
            kept[str(n_steps_done)] = name
        self.write_text("request.json", json.dumps({**request, "arithmetic": kept}, indent=2) + "\n")

    def begin_from(self, before: RunFolder) -> None:
        """Copy the newest checkpoint of another run, unless this one has a checkpoint.

        Raises:
            StudioError: it cannot be written.
        """
        if not self.checkpoint_file.exists():
            with self._writing(), atomic_file.replacing(self.checkpoint_file) as temporary:
                shutil.copyfile(before.checkpoint_file, temporary)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file in one step.

        Raises:
            StudioError: it cannot be written.
        """
        with self._writing():
            atomic_file.write_text(self.path / name, text)

    def write_picture(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Write a picture, (h, w, 3) BGR, as PNG.

        Raises:
            StudioError: it cannot be written.
        """
        with self._writing():
            (self.path / name).parent.mkdir(exist_ok=True)
            # Not imwrite, which fails on Windows for paths beyond ASCII.
            (self.path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add one JSON line to `metrics.jsonl`.

        Raises:
            StudioError: it cannot be written.
        """
        with self._writing(), (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(line)) + "\n")

    def forget_metrics_after(self, n_steps_done: int) -> None:
        """Remove lines after the last checkpoint; the continued run writes them again."""
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if _step_of(line) <= n_steps_done]
        self.write_text("metrics.jsonl", "".join(line + "\n" for line in lines))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kept = f" The last good checkpoint is {self.checkpoint_file}." if self.checkpoint_file.exists() else ""
            raise StudioError(
                f"The run folder {self.path} cannot be written to: {error}.{kept}",
                "Free some space, then give the same command again: it continues.",
            ) from error


def _step_of(line: str) -> float:
    """The step of a metrics line; infinity for a line that a kill cut off."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def arithmetic_of(run: Path) -> str | None:
    """The last arithmetic of a run and its parts; None when it is unknown or differs between the parts.

    Args:
        run: a run folder, or a folder with the run folders of its parts.

    Raises:
        StudioError: a request cannot be read.
    """
    requests = [_read_request(file) for file in (*run.glob("request.json"), *run.glob("*/request.json"))]
    last = {name for request in requests for name in list(request["arithmetic"].values())[-1:]}
    return last.pop() if len(last) == 1 else None


def _check_same(file: Path, wanted: Mapping[str, Any], seed: int) -> None:
    request = _read_request(file)
    before, wanted = request["config"], current_facts(wanted)
    names = {name for name in set(before) | set(wanted) if before.get(name) != wanted.get(name)} - MAY_CHANGE
    if request.get("seed") != seed:
        names.add("seed")
    if names:
        raise StudioError(
            f"The run folder {file.parent} was started with other settings ({', '.join(sorted(names))}).",
            "Use the same settings to continue it, or a new run folder.",
        )


def _read_request(file: Path) -> dict[str, Any]:
    """A request; `arithmetic` maps the first step to the arithmetic from there on."""
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
        used = {str(int(step)): str(name) for step, name in request.get("arithmetic", {}).items()}
        if unknown := set(used.values()) - {arithmetic.BF16, arithmetic.FP32}:
            raise ValueError(f"no arithmetic is called {unknown.pop()}")
        return {**request, "config": current_facts(request["config"]), "arithmetic": used}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudioError(f"The request {file} cannot be read: {error}.", "Start a new run folder.") from error
