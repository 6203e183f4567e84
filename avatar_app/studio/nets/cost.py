"""Counts parameters and multiply-adds, in both conventions that the papers use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs for one input.

    A multiply-add of a convolution or linear layer counts one; norms, activations and joins count nothing.

    Attributes:
        n_parameters: trainable numbers.
        n_macs: true multiply-adds: a transposed convolution touches each *input* position once per weight.
        n_macs_output_grid: the convention of older profilers, which counts it per *output* position; the "28x" of
            arXiv 2304.00471 is in this one.
    """

    n_parameters: int
    n_macs: int
    n_macs_output_grid: int


def count_parameters(net: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(p.numel() for p in net.parameters())


def measure_cost(net: nn.Module, *inputs: Tensor) -> Cost:
    """Run a network once and count.

    Args:
        net: any network; it is set to evaluation.
        *inputs: its arguments, batch 1.
    """
    counts = [0, 0]

    def count(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        true, on_output_grid = _macs(layer, args[0], output)
        counts[0] += true
        counts[1] += on_output_grid

    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Conv1d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            net.eval()(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return Cost(count_parameters(net), counts[0], counts[1])


def _macs(layer: nn.Module, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Multiply-adds, true and with transposed convolutions on their output grid."""
    weight = layer.weight
    assert isinstance(weight, Tensor)  # noqa: S101  every layer counted here has one
    if isinstance(layer, nn.Linear):
        n = y.numel() // y.shape[-1] * weight.numel()
        return n, n
    n_out_positions = y[0, 0].numel() * y.shape[0]
    if isinstance(layer, nn.ConvTranspose2d):
        return x[0, 0].numel() * x.shape[0] * weight.numel(), n_out_positions * weight.numel()
    return n_out_positions * weight.numel(), n_out_positions * weight.numel()
