"""Extends colours beyond the outline of a picture with alpha."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

SPREAD_PX = 24


def spread_colours(colours: UInt8, alpha: UInt8) -> UInt8:
    """Extend the colours at the outline into the transparent area; a hard edge would cause ringing in JPEG.

    Args:
        colours: (H, W, 3) uint8 BGR.
        alpha: (H, W) uint8.
    """
    share = (alpha > 0).astype(np.float32)
    spread = cv2.GaussianBlur(colours * share[:, :, None], (0, 0), SPREAD_PX / 3)
    count = cv2.GaussianBlur(share, (0, 0), SPREAD_PX / 3)[:, :, None]
    mean = colours[alpha > 0].mean(axis=0)
    outside = np.where(count > 1e-3, spread / np.maximum(count, 1e-3), mean)
    return np.where(alpha[:, :, None] > 0, colours, np.rint(outside)).astype(np.uint8)
