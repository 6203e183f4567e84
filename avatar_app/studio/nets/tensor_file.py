"""Named tensors in a file: safetensors, written in one move."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under a temporary name, then rename it.

    Raises:
        StudioError: the folder cannot be written to.
    """
    temporary = path.with_suffix(".tmp")
    try:
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, str(temporary), dict(metadata))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise StudioError(
            f"The file {path} cannot be written: {error}.", "Free some space, or choose another run folder."
        ) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors of a file and its metadata.

    Raises:
        StudioError: the file is missing or damaged.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StudioError(
            f"The weights {path} cannot be read: {error}.", "Delete the file, or train again from the start."
        ) from error


def save_net(folder: Path, name: str, net: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a network's folder: `<name>.safetensors`, then `<name>.json` with what is to be known of it.

    Raises:
        StudioError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / f"{name}.safetensors", net.state_dict(), {})
        temporary = folder / f"{name}.json.tmp"
        temporary.write_text(json.dumps({"schema": 1, **about}, indent=2) + "\n", encoding="utf-8")
        temporary.replace(folder / f"{name}.json")
    except OSError as error:
        raise StudioError(
            f"The folder {folder} cannot be written to: {error}.", "Free some space, then give the same command again."
        ) from error
