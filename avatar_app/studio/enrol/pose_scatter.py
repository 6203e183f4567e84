"""Interpolates scattered values onto a lattice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# Standard deviations of the Gaussians, from near to far, in lattice points.
WIDTHS = (0.7, 1.5, 3.0, 6.0, 12.0, 24.0, 60.0)
# Weight of a Gaussian relative to the density of values under it.
FULL_RATIO = 20.0


def scatter(place: NDArray[np.int64], values: Float64, shape: tuple[int, int]) -> Float64:
    """Interpolate smoothly, and extrapolate where there are no values.

    Args:
        place: (n, 2) x, y of lattice points inside the shape.
        values: (n, k).
        shape: height and width of the lattice.

    Returns:
        (height, width, k).
    """
    sums = np.zeros((*shape, values.shape[1] + 1))
    np.add.at(sums, (place[:, 1], place[:, 0]), np.pad(values, ((0, 0), (0, 1)), constant_values=1))
    total, share = np.zeros((*shape, values.shape[1])), np.zeros(shape)
    for width in WIDTHS:
        near = np.dstack([cv2.GaussianBlur(channel, (0, 0), width) for channel in np.moveaxis(sums, 2, 0)])
        gain = np.clip(near[:, :, -1] * width * width * FULL_RATIO, 0, 1) * (1 - share)
        total += near[:, :, :-1] / np.maximum(near[:, :, -1:], 1e-12) * gain[:, :, None]
        share += gain
    smooth: Float64 = total / np.maximum(share, 1e-9)[:, :, None]
    return smooth
