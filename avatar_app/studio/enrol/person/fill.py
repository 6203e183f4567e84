"""Fills the unknown pixels of a picture from the known ones, and smooths pictures along the edges of a guide."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32

SMALLEST_PX = 2
# A pixel with less weight takes its colour from a coarser level.
FULL_WEIGHT = 1e-3


def fill_smoothly(colours: Float32, weight: Float32) -> Float32:
    """Extend colours into the pixels without weight, near ones first (pull and push; Gortler et al. 1996, section 4).

    Args:
        colours: (H, W, 3) float32.
        weight: (H, W) float32 in 0..1, how much the colour of a pixel counts.

    Returns:
        (H, W, 3) float32; pixels of weight 1 keep their colour.
    """
    height, width = weight.shape
    if min(height, width) <= SMALLEST_PX:
        total = max(float(weight.sum()), FULL_WEIGHT)
        mean = (colours * weight[:, :, None]).sum(axis=(0, 1)) / total
        return np.broadcast_to(mean.astype(np.float32), colours.shape).copy()
    size = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(colours * weight[:, :, None], size, interpolation=cv2.INTER_AREA)
    coarse /= np.maximum(coarse_weight, 1e-6)[:, :, None]
    filled = fill_smoothly(coarse, np.minimum(1, coarse_weight * 4).astype(np.float32))
    behind = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(behind + weight[:, :, None] * (colours - behind), np.float32)


def guided_filter(guide: Float32, values: Float32, radius_px: int, eps: float) -> Float32:
    """Smooth values, but not across the edges of a guide (He, Sun, Tang 2013, equations 5 and 6).

    Args:
        guide: (H, W) float32.
        values: (H, W) float32.
        radius_px: half the side of the window.
        eps: variance of the guide below which an area counts as flat.
    """
    size = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(x: Float32) -> Float32:
        return np.asarray(cv2.blur(x, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (mean(guide * guide) - mean_guide**2 + eps)
    offset = mean_values - slope * mean_guide
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)
