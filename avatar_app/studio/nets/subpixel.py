"""Convolutions on packed pictures: 2x2 pixels lie in the channels of one.

A transposed convolution with kernel 3 and stride 2 computes each pixel of a 2x2 block from at most 2x2 input pixels.
One ordinary 2x2 convolution with four times the channels and a pixel shuffle compute the same sums (Shi et al. 2016,
arXiv 1609.05158). Engines run ordinary convolutions in INT8, but not all of them run transposed ones.

The four pixels of a block are the outer channels and the features the inner ones: a shuffle then moves contiguous runs
of memory, which takes a tenth of the time of the other order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

# For an output row 2i + p: which kernel row meets input row i, and which meets row i + 1 (None: no contribution).
KERNEL_ROWS: tuple[tuple[int, int | None], tuple[int, int | None]] = ((1, None), (2, 0))


class _Unpack(torch.autograd.Function):
    """Exported as one node; reshape and transposition would be three."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        blocks = x.view(n, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
        return blocks.reshape(n, channels // 4, 2 * height, 2 * width)

    @staticmethod
    def symbolic(graph: Any, x: Any) -> Any:
        return graph.op("DepthToSpace", x, blocksize_i=2, mode_s="DCR")


def unpack(x: Tensor) -> Tensor:
    """(B, 4 C, H, W) -> (B, C, 2 H, 2 W). For inference: it has no gradient."""
    y: Tensor = _Unpack.apply(x)  # type: ignore[no-untyped-call]
    return y


def pack(x: Tensor) -> Tensor:
    """(B, C, 2 H, 2 W) -> (B, 4 C, H, W), the inverse of `unpack`."""
    n, channels, height, width = x.shape
    packed = pixel_unshuffle(x, 2).view(n, channels, 4, height // 2, width // 2)
    return packed.transpose(1, 2).reshape(n, 4 * channels, height // 2, width // 2)


def packed_up_weight(weight: Tensor) -> Tensor:
    """Weight of a transposed convolution (kernel 3, stride 2, padding 1, output padding 1) with a packed result.

    Args:
        weight: (n_in, n_out, 3, 3).

    Returns:
        (4 n_out, n_in, 2, 2), for an input with a row of zeros below and a column of zeros at its right.
    """
    n_in, n_out = weight.shape[:2]
    blocks = weight.new_zeros(2, 2, n_out, n_in, 2, 2)
    for p, rows in enumerate(KERNEL_ROWS):
        for q, columns in enumerate(KERNEL_ROWS):
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    if row is not None and column is not None:
                        blocks[p, q, :, :, i, j] = weight[:, :, row, column].T
    return blocks.reshape(4 * n_out, n_in, 2, 2)


def packed_weight(weight: Tensor) -> Tensor:
    """Weight of an ordinary convolution (kernel 3) from a packed picture to one that is packed one pixel further.

    The blocks of the result begin at odd rows and columns, so that each depends on 2x2 blocks only.

    Args:
        weight: (n_out, n_in, 3, 3).

    Returns:
        (4 n_out, 4 n_in, 2, 2): blocks i and i + 1 of the input give the block of rows 2i + 1 and 2i + 2.
    """
    n_out, n_in = weight.shape[:2]
    blocks = weight.new_zeros(2, 2, n_out, 2, 2, n_in, 2, 2)
    # Row a of input block i is row 2i + a; the centre of the kernel lies on row p + 1.
    reach = [(p, a, i, 2 * i + a - p) for p in (0, 1) for a in (0, 1) for i in (0, 1) if 0 <= 2 * i + a - p < 3]
    for p, a, i, row in reach:
        for q, b, j, column in reach:
            blocks[p, q, :, a, b, :, i, j] = weight[:, :, row, column]
    return blocks.reshape(4 * n_out, 4 * n_in, 2, 2)


def pointwise_packed_weight(weight: Tensor) -> Tensor:
    """Weight of a convolution with kernel 1 on a packed picture: (n_out, n_in, 1, 1) -> (4 n_out, 4 n_in, 1, 1)."""
    return torch.kron(torch.eye(4), weight[:, :, 0, 0])[:, :, None, None]
