"""Counts parameters and multiply-adds, in both conventions that the papers use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a network for one input.

    A multiply-add of a convolution or a matrix product counts one; norms and activations count nothing.

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
    """Run a network and count.

    Args:
        net: any network; it is set to evaluation.
        *inputs: its arguments, batch 1.
    """
    by_input = FlopCounterMode(display=False)
    by_output = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution: _output_grid_flops})
    for counter in (by_input, by_output):
        with torch.no_grad(), counter:
            net.eval()(*inputs)
    # A multiply-add is two operations.
    return Cost(count_parameters(net), by_input.get_total_flops() // 2, by_output.get_total_flops() // 2)


def _output_grid_flops(
    x_shape: Sequence[int], weight_shape: Sequence[int], *_: object, out_shape: Sequence[int], **__: object
) -> int:
    """Operations of a convolution, counted per output position even if it is transposed."""
    return conv_flop_count(list(x_shape), list(weight_shape), list(out_shape))
