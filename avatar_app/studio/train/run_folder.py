"""The folder of a studio run: readable without us, safe against a kill at any instant."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app import __version__
from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.train.checkpoint import CHECKPOINT_NAME

log = logging.getLogger(__name__)

# These may change between the start of a run and its continuation: who wants to go further need not begin anew.
MAY_CHANGE = frozenset({"n_steps"})


class RunFolder:
    """`request.json` (what was asked, and computed in), `metrics.jsonl` (what happened), `checkpoint.safetensors`.

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
        """Where the newest checkpoint lies, if there is one."""
        return self.path / CHECKPOINT_NAME

    def open_request(self, config: Mapping[str, Any], seed: int) -> None:
        """Write what is asked, or check that a continued run asks the same.

        Raises:
            StudioError: the folder holds a run with other settings.
        """
        file = self.path / "request.json"
        wanted = json.loads(json.dumps(dict(config)))
        if file.exists():
            _check_same(file, wanted, seed)
            return
        # Of several processes each writes the same; the last one wins.
        request = {"config": wanted, "seed": seed, "commit": commit_id(), "versions": _versions()}
        self.write_text("request.json", json.dumps(request, indent=2) + "\n")

    def note_arithmetic(self, n_steps_done: int, name: str) -> None:
        """Write into the request what is computed in after a step; a request that is missing stays so.

        Args:
            n_steps_done: steps that were done before.
            name: of the arithmetic.

        Raises:
            StudioError: the request cannot be read or written.
        """
        file = self.path / "request.json"
        if not file.exists():
            return
        request = _read_request(file)
        # Steps that a kill took back may be done in another.
        kept = {step: before for step, before in request["arithmetic"].items() if int(step) < n_steps_done}
        if list(kept.values())[-1:] != [name]:
            kept[str(n_steps_done)] = name
        self.write_text("request.json", json.dumps({**request, "arithmetic": kept}, indent=2) + "\n")

    def begin_from(self, before: RunFolder) -> None:
        """Go on from the newest checkpoint of another run, unless this one has a checkpoint already.

        Raises:
            StudioError: it cannot be written.
        """
        # Of several processes each has a file of its own to rename.
        temporary = self.path / f"{CHECKPOINT_NAME}.{os.getpid()}.tmp"
        if not self.checkpoint_file.exists():
            with self._writing():
                shutil.copyfile(before.checkpoint_file, temporary)
                temporary.replace(self.checkpoint_file)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file in one move.

        Raises:
            StudioError: it cannot be written.
        """
        # Of several processes each has a file of its own to rename.
        temporary = self.path / f"{name}.{os.getpid()}.tmp"
        with self._writing():
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path / name)

    def write_picture(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Write a picture, (h, w, 3) BGR, as PNG.

        Raises:
            StudioError: it cannot be written.
        """
        with self._writing():
            (self.path / name).parent.mkdir(exist_ok=True)
            # Not imwrite: it takes no paths with letters beyond ASCII on Windows.
            (self.path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add one JSON line to `metrics.jsonl`.

        Raises:
            StudioError: it cannot be written.
        """
        with self._writing(), (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(line)) + "\n")

    def forget_metrics_after(self, n_steps_done: int) -> None:
        """Drop lines that a killed run wrote after its last checkpoint; they will be written again."""
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


def origin(file: Path) -> dict[str, object]:
    """How a network that another learned from was made, in its own words.

    Args:
        file: the JSON file beside its weights.
    """
    about = json.loads(file.read_text(encoding="utf-8"))
    return {key: about[key] for key in ("recipe", "unpacked_from") if key in about}


def arithmetic_of(run: Path) -> str | None:
    """What a run, or each of its parts, computed in last; None where nothing says it, or its parts differ.

    Args:
        run: a run folder, or one that holds those of its parts.

    Raises:
        StudioError: a request cannot be read.
    """
    requests = [_read_request(file) for file in (*run.glob("request.json"), *run.glob("*/request.json"))]
    last = {name for request in requests for name in list(request["arithmetic"].values())[-1:]}
    return last.pop() if len(last) == 1 else None


def _check_same(file: Path, wanted: Mapping[str, Any], seed: int) -> None:
    request = _read_request(file)
    before = request["config"]
    names = {name for name in set(before) | set(wanted) if before.get(name) != wanted.get(name)} - MAY_CHANGE
    if request.get("seed") != seed:
        names.add("seed")
    if names:
        raise StudioError(
            f"The run folder {file.parent} was started with other settings ({', '.join(sorted(names))}).",
            "Use the same settings to continue it, or a new run folder.",
        )


def _read_request(file: Path) -> dict[str, Any]:
    """A request; `arithmetic` says from which step on what was computed in, and is empty in those of older versions."""
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
        used = {str(int(step)): str(name) for step, name in request.get("arithmetic", {}).items()}
        if unknown := set(used.values()) - {arithmetic.BF16, arithmetic.FP32}:
            raise ValueError(f"no arithmetic is called {unknown.pop()}")
        return {**request, "config": dict(request["config"]), "arithmetic": used}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudioError(f"The request {file} cannot be read: {error}.", "Start in a new run folder.") from error


def commit_id() -> str:
    """The commit that the code is at; empty where that cannot be told."""
    git = shutil.which("git")
    if git is None:
        return ""
    folder = Path(__file__).parent
    done = subprocess.run([git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    return {
        "avatar_app": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
