"""The mask of the mouth patch in the face crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]
Point = tuple[float, float]

FULL_WITHIN = 0.70
# The mask fades to 0 at the lower edge of the crop, where the patch ends.
EDGE_PX = 12.0
JAW_MARGIN_PX = 6.0
JAW_FEATHER_PX = 14.0


@dataclass(frozen=True, slots=True)
class MaskShape:
    """What limits the mask, in pixels of the 256 px crop.

    Attributes:
        centre: of the ellipse with lips, chin and cheeks.
        radii: of the ellipse.
        left_jaw: two points of the outline of the jaw, in the left half of the crop; the upper one first.
        right_jaw: the same in the right half.
    """

    centre: Point
    radii: Point
    left_jaw: tuple[Point, Point]
    right_jaw: tuple[Point, Point]


# In the rendered clips, speech changes the picture outside the ellipse by less than four grey levels, except at the
# thin outline of the jaw. That outline moves six pixels towards the mouth when the head turns by five degrees, so a
# patch that contained it would show it twice: hair and neck would appear on the cheek. The patch ends before it.
RENDERED_HEAD = MaskShape(
    centre=(128.0, 205.0),
    radii=(74.0, 60.0),
    left_jaw=((35.0, 174.0), (64.0, 235.0)),
    right_jaw=((221.0, 174.0), (192.0, 235.0)),
)


def mouth_mask(size_px: int, shape: MaskShape = RENDERED_HEAD) -> UInt8:
    """(size, size) uint8: 255 where the patch replaces the face, feathered to 0."""
    y, x = np.mgrid[:size_px, :size_px] * (256.0 / size_px)
    radius = np.hypot((x - shape.centre[0]) / shape.radii[0], (y - shape.centre[1]) / shape.radii[1])
    inside = _smooth_step((1 - radius) / (1 - FULL_WITHIN))
    above_edge = _smooth_step((255.0 - y) / EDGE_PX)
    right = tuple(reversed(shape.right_jaw))
    distance_px = np.minimum(_distance_px(x, y, *shape.left_jaw), _distance_px(x, y, *right))
    off_jaw = _smooth_step((distance_px - JAW_MARGIN_PX) / JAW_FEATHER_PX)
    return np.rint(255 * inside * above_edge * off_jaw).astype(np.uint8)


def _distance_px(x: Float64, y: Float64, start: Point, end: Point) -> Float64:
    """Distance of points from a line; positive to the left of its direction, as seen in the picture."""
    (x0, y0), (x1, y1) = start, end
    distance: Float64 = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
    return distance


def _smooth_step(x: Float64) -> Float64:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)
