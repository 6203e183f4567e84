"""Weights on disk: named tensors in safetensors files, and the folder of a trained network."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avatar_app.contracts import atomic_file
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.renamed import current_facts, current_tensor

Net = TypeVar("Net", bound=nn.Module)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file in one step.

    Raises:
        StudioError: the folder cannot be written to.
    """
    try:
        with atomic_file.replacing(path) as temporary:
            save_file({name: t.detach().contiguous() for name, t in tensors.items()}, str(temporary), dict(metadata))
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        raise StudioError(
            f"The file {path} cannot be written: {error}.", "Free some space, or choose another run folder."
        ) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors of a file, by their present names, and its metadata.

    Raises:
        StudioError: the file is missing or damaged.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {current_tensor(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise StudioError(
            f"The weights {path} cannot be read: {error}.", "Delete the file, or train again from the start."
        ) from error


def save_net(folder: Path, name: str, net: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a network's folder: `<name>.safetensors`, then `<name>.json` with facts such as its recipe and scores.

    Raises:
        StudioError: the folder cannot be written to.
    """
    text = json.dumps({"schema": 1, **facts}, indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / f"{name}.safetensors", net.state_dict(), {})
        atomic_file.write_text(folder / f"{name}.json", text)
    except OSError as error:
        raise StudioError(
            f"The folder {folder} cannot be written to: {error}.", "Free some space, then give the same command again."
        ) from error


def load_net(folder: Path, name: str, make: Callable[[dict[str, Any]], Net], title: str = "network") -> Net:
    """Read what `save_net` wrote.

    Args:
        folder: holds `<name>.json` and `<name>.safetensors`.
        name: of the files.
        make: makes the network from the facts; may raise `StudioError` when these forbid its use.
        title: name of the network in error messages.

    Returns:
        The network in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or the network was trained on another mel spectrogram.
    """
    try:
        facts = current_facts(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        if facts.get("mel_fingerprint", MEL.fingerprint()) != MEL.fingerprint():
            raise StudioError(f"The {title} in {folder} was trained on another mel spectrogram.", "Train it again.")
        net = make(facts)
        net.load_state_dict(load_tensors(folder / f"{name}.safetensors")[0])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise StudioError(f"The {title} in {folder} cannot be read: {error}.", "Train it again.") from error
    return net.eval()
