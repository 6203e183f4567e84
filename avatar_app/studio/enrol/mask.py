"""The part of the face that a mouth patch may change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

# Lips, chin and the cheeks beside them, in pixels of the 256 px crop. Measured on the rendered clips: outside it the
# picture changes by less than four grey levels while she speaks, but for the thin outline of the jaw, which lies at
# other places in pictures whose head turns and would show twice.
CENTRE = (128.0, 205.0)
RADII = (74.0, 60.0)
FULL_WITHIN = 0.70
# Nothing shows at the crop's lower edge, where the patch ends.
EDGE_PX = 12.0
# The jaw's outline runs straight through these points and, mirrored, on the other side. When her head turns five
# degrees it comes six pixels closer to the mouth: the patch ends before, or hair and neck would show on her cheek.
JAW = ((35.0, 174.0), (64.0, 235.0))
JAW_MARGIN_PX = 6.0
JAW_FEATHER_PX = 14.0


def mouth_mask(size_px: int) -> UInt8:
    """(size, size) uint8: 255 where the patch covers the face, softly falling to 0."""
    y, x = np.mgrid[:size_px, :size_px] * (256.0 / size_px)
    radius = np.hypot((x - CENTRE[0]) / RADII[0], (y - CENTRE[1]) / RADII[1])
    inside = _smooth_step((1 - radius) / (1 - FULL_WITHIN))
    above_edge = _smooth_step((255.0 - y) / EDGE_PX)
    off_jaw = _smooth_step((_jaw_distance_px(x, y) - JAW_MARGIN_PX) / JAW_FEATHER_PX)
    return np.rint(255 * inside * above_edge * off_jaw).astype(np.uint8)


def _jaw_distance_px(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far points lie inside the jaw's outline; negative outside."""
    (x0, y0), (x1, y1) = JAW
    mirrored = CENTRE[0] - np.abs(x - CENTRE[0])
    distance: NDArray[np.float64] = ((mirrored - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
    return distance


def _smooth_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)
