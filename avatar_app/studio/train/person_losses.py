"""Losses of the mouth renderer of a person."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from avatar_app.studio.train.mouth_renderer import pixels_and_edges

# Side of the windows in which detail is compared, in pixels of each scale.
WINDOW_PX = 8
N_SCALES = 2
# Differences below a quarter of a grey level are rounding.
_EPS = (0.25 / 255) ** 2
_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the losses.

    Attributes:
        edges: of differences between neighbouring pixels.
        detail: of the local contrast of fine detail. L1 alone renders what the inputs do not tell as its median,
            which is soft.
        prior: of the squares of corrections and latents.
    """

    edges: float = 1.0
    detail: float = 0.5
    prior: float = 0.01


def picture_losses(pictures: Tensor, ground_truth: Tensor, weight: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """Losses of rendered pictures by name, weighted; `loss` is their sum.

    Args:
        pictures: (B, 3, h, w) float32, about 0..1.
        ground_truth: of the same shape.
        weight: (1, 1, h, w), of each pixel.
        weights: of the losses.
    """
    pixels, edges = pixels_and_edges(pictures - ground_truth, weight)
    detail = detail_loss(pictures, ground_truth, weight)
    parts = {"pixels": pixels, "edges": weights.edges * edges, "detail": weights.detail * detail}
    return {"loss": sum(parts.values(), torch.zeros(())), **parts}


def detail_loss(pictures: Tensor, ground_truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of the local contrast of detail, over two scales and the windows of a picture.

    The local contrast is the root mean square of the Laplacian in a window. It does not depend on where in the window
    the detail lies, so a sharp edge that is a pixel off costs less than a soft one.
    """
    a, b, w = pictures.mean(dim=1, keepdim=True), ground_truth.mean(dim=1, keepdim=True), weight
    total = torch.zeros(())
    for scale in range(N_SCALES):
        if scale:
            a, b, w = avg_pool2d(a, 2), avg_pool2d(b, 2), avg_pool2d(w, 2)
        difference = (_contrast(a) - _contrast(b)).abs()
        total = total + (difference * avg_pool2d(w, WINDOW_PX, WINDOW_PX // 2)).mean()
    return total


def _contrast(grey: Tensor) -> Tensor:
    """(B, 1, h', w') root mean square of the Laplacian of (B, 1, h, w) in overlapping windows."""
    kernel = torch.tensor(_LAPLACIAN, dtype=grey.dtype, device=grey.device)[None, None]
    energy = conv2d(torch.nn.functional.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel).square()
    return (avg_pool2d(energy, WINDOW_PX, WINDOW_PX // 2) + _EPS).sqrt()
