"""The mask of the mouth patch for the rendered head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

# Lips, chin and cheeks, in pixels of the 256 px crop. In the rendered clips, speech changes the picture outside by less
# than four grey levels, except at the thin outline of the jaw. That outline moves when the head turns, so a patch that
# contained it would show it twice.
CENTRE = (128.0, 205.0)
RADII = (74.0, 60.0)
FULL_WITHIN = 0.70
# The mask fades to 0 at the lower edge of the crop, where the patch ends.
EDGE_PX = 12.0
# The outline of the jaw is a straight line through these points, and its mirror image on the other side. It moves six
# pixels towards the mouth when the head turns by five degrees. The patch ends before that line, because otherwise hair
# and neck would appear on the cheek.
JAW = ((35.0, 174.0), (64.0, 235.0))
JAW_MARGIN_PX = 6.0
JAW_FEATHER_PX = 14.0


def mouth_mask(size_px: int) -> UInt8:
    """(size, size) uint8: 255 where the patch replaces the face, feathered to 0."""
    y, x = np.mgrid[:size_px, :size_px] * (256.0 / size_px)
    radius = np.hypot((x - CENTRE[0]) / RADII[0], (y - CENTRE[1]) / RADII[1])
    inside = _smooth_step((1 - radius) / (1 - FULL_WITHIN))
    above_edge = _smooth_step((255.0 - y) / EDGE_PX)
    off_jaw = _smooth_step((_jaw_distance_px(x, y) - JAW_MARGIN_PX) / JAW_FEATHER_PX)
    return np.rint(255 * inside * above_edge * off_jaw).astype(np.uint8)


def _jaw_distance_px(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of points from the outline of the jaw; positive inside the face."""
    (x0, y0), (x1, y1) = JAW
    mirrored = CENTRE[0] - np.abs(x - CENTRE[0])
    distance: NDArray[np.float64] = ((mirrored - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
    return distance


def _smooth_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)
