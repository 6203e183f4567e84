"""Checkpoints of a training run: one safetensors file that is replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.nets.tensor_file import load_tensors, save_tensors
from avatar_app.studio.renamed import current_tensor

CHECKPOINT_NAME = "checkpoint.safetensors"


def save_checkpoint(
    path: Path, n_steps_done: int, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> None:
    """Write the state of a run.

    Args:
        path: the file.
        n_steps_done: number of steps so far.
        modules: networks by name, including averaged copies.
        optimizers: optimizers by name.
    """
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for name, module in modules.items():
        tensors.update({f"module.{name}.{key}": value.clone() for key, value in module.state_dict().items()})
    for name, optimizer in optimizers.items():
        more, rest[name] = _flatten_optimizer(name, optimizer.state_dict())
        tensors.update(more)
    save_tensors(path, tensors, {"n_steps_done": str(n_steps_done), "optimizers": json.dumps(rest)})


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> int:
    """Restore networks and optimizers of the same shapes.

    Returns:
        Number of steps so far.

    Raises:
        StudioError: the file is damaged or belongs to another network.
    """
    tensors, metadata = load_tensors(path)
    try:
        for name, module in modules.items():
            module.load_state_dict(_under(tensors, f"module.{name}."))
        rest = {current_tensor(name): state for name, state in json.loads(metadata["optimizers"]).items()}
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(_unflatten_optimizer(_under(tensors, f"optimizer.{name}."), rest[name]))
        return int(metadata["n_steps_done"])
    except (KeyError, AttributeError, RuntimeError, ValueError) as error:
        raise StudioError(
            f"The checkpoint {path} does not fit this network: {error}.", "Start the run in a new folder."
        ) from error


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below a prefix, without it."""
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def _flatten_optimizer(name: str, state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state into tensors (for safetensors) and plain values (for JSON)."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}.{index}.{key}"] = value.clone()
            else:
                plain.setdefault(str(index), {})[key] = value
    return tensors, {"plain": plain, "param_groups": state["param_groups"]}


def _unflatten_optimizer(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_flatten_optimizer`."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in rest["plain"].items()}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": rest["param_groups"]}
