"""Reads checkpoints as their authors published them, without running pickled code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError

Net = TypeVar("Net", bound=nn.Module)

PARALLEL_PREFIX = "module."


def load_published(path: Path | str, net: Net) -> Net:
    """Fill a network from a published checkpoint and set it to evaluation.

    Args:
        path: a torch checkpoint: the weights alone, or under `state_dict`, with or without `module.` prefixes.
        net: the network to fill; every name and shape must agree.

    Raises:
        StudioError: the file is missing, is no checkpoint, or belongs to another network.
    """
    return fill(net, read_weights(Path(path)), path)


def fill(net: Net, weights: Mapping[str, Tensor], path: Path | str) -> Net:
    """Give a network the weights that were read from `path`, and set it to evaluation.

    Raises:
        StudioError: a name or a shape differs.
    """
    try:
        net.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise StudioError(
            f"The checkpoint {path} does not belong to {type(net).__name__}: {_difference(net, weights)}.",
            "Choose the checkpoint that was published for this network.",
        ) from error
    return net.eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by their published names.

    Raises:
        StudioError: the file is missing, or holds no weights.
    """
    try:
        # weights_only: a foreign pickle may contain code.
        data = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise StudioError(f"There is no checkpoint {path}.", "Check the path.") from error
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise StudioError(
            f"The checkpoint {path} cannot be read: {_reason(error)}.",
            "Download it again; it must hold weights and nothing else.",
        ) from error
    inner = data.get("state_dict", data) if isinstance(data, Mapping) else None
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise StudioError(f"The file {path} holds no network weights.", "Choose a checkpoint with a `state_dict`.")
    return {str(name).removeprefix(PARALLEL_PREFIX): value for name, value in inner.items()}


def _reason(error: Exception) -> str:
    """Why a file cannot be read; torch's message suggests running the code, so it is replaced."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is no checkpoint, or holds code besides weights"
    return str(error).splitlines()[0].rstrip(".") if str(error) else "it is truncated"


def _difference(net: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """The first name at which a network and weights differ."""
    own = net.state_dict()
    if missing := sorted(own.keys() - weights.keys()):
        return f"`{missing[0]}` is missing"
    if unknown := sorted(weights.keys() - own.keys()):
        return f"`{unknown[0]}` is unknown"
    wrong = next((name for name in own if own[name].shape != weights[name].shape), "")
    return f"`{wrong}` has another shape" if wrong else "the weights cannot be copied"
