"""Rewrites transposed convolutions as ordinary ones, which more engines can run in INT8.

A transposed convolution with kernel 3, stride 2 draws each of the four pixels of a 2x2 block from at most 2x2 input
pixels. One ordinary 2x2 convolution with four times the channels and a pixel shuffle compute exactly the same sums
(Shi et al. 2016, arXiv 1609.05158).
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)

# For an output row 2i + p: which kernel row meets input row i, and which meets row i + 1 (None: no contribution).
KERNEL_ROWS: tuple[tuple[int, int | None], tuple[int, int | None]] = ((1, None), (2, 0))


class SubpixelUp(nn.Module):
    """The same sums as `ConvTranspose2d(kernel 3, stride 2, padding 1, output_padding 1)`."""

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        n_in, n_out = conv.in_channels, conv.out_channels
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.conv = nn.Conv2d(n_in, 4 * n_out, 2)
        self.shuffle = nn.PixelShuffle(2)
        with torch.no_grad():
            self.conv.weight.copy_(_subpixel_weight(conv.weight))
            assert conv.bias is not None and self.conv.bias is not None  # noqa: S101  ours have one
            self.conv.bias.copy_(conv.bias.repeat_interleave(4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, 2H, 2W)."""
        y: Tensor = self.shuffle(self.conv(self.pad(x)))
        return y


def with_subpixel_upsampling(net: Net) -> Net:
    """A copy of a network in which every stride-2 transposed convolution is an ordinary one."""
    twin = copy.deepcopy(net)
    for parent in list(twin.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.ConvTranspose2d) and layer.stride == (2, 2):
                setattr(parent, name, SubpixelUp(layer))
    return twin


def _subpixel_weight(weight: Tensor) -> Tensor:
    """(n_in, n_out, 3, 3) -> (4 * n_out, n_in, 2, 2), the four pixels of a block next to each other."""
    n_in, n_out = weight.shape[:2]
    blocks = weight.new_zeros(n_out, 2, 2, n_in, 2, 2)
    for p, rows in enumerate(KERNEL_ROWS):
        for q, columns in enumerate(KERNEL_ROWS):
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    if row is not None and column is not None:
                        blocks[:, p, q, :, i, j] = weight[:, :, row, column].T
    return blocks.reshape(4 * n_out, n_in, 2, 2)
