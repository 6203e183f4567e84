"""Selects the user's face among several: the largest and most central one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from avatar_app.contracts.packets import Float32

# Another face is selected only when its score is this much higher; otherwise selection would alternate between two
# people side by side.
SWITCH_RATIO = 1.5
SAME_OVERLAP = 0.2
# A face with less of the area of the main one is far away, or a picture on the wall.
MIN_AREA_RATIO = 0.2


@dataclass(frozen=True, slots=True)
class Box:
    """Bounding box of a face, relative to the width and height of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Area relative to the picture."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def score(self) -> float:
        """Area, weighted less with the distance from the centre of the picture."""
        away = math.hypot((self.left + self.right) / 2 - 0.5, (self.top + self.bottom) / 2 - 0.5)
        return self.area * max(0.1, 1 - away)


def box_of(ratios: Float32) -> Box:
    """Bounding box of landmarks (n, 2 or more), relative to the picture."""
    low, high = ratios[:, :2].min(axis=0), ratios[:, :2].max(axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def is_same(one: Box, other: Box) -> bool:
    """Whether two boxes show the same face: their overlap covers a good part of the smaller one."""
    inside = Box(
        max(one.left, other.left), max(one.top, other.top), min(one.right, other.right), min(one.bottom, other.bottom)
    )
    is_apart = inside.right <= inside.left or inside.bottom <= inside.top
    return not is_apart and inside.area >= SAME_OVERLAP * min(one.area, other.area)


def n_large(boxes: Sequence[Box], main: Box) -> int:
    """Number of faces whose size is comparable to that of the main one, with it."""
    return sum(box.area >= MIN_AREA_RATIO * main.area for box in boxes)


def main_face(boxes: Sequence[Box], tracked: Box | None) -> Box | None:
    """Select the face to track; the tracked one stays selected unless another has a much higher score."""
    if not boxes:
        return None
    best = max(boxes, key=lambda box: box.score)
    if tracked is None:
        return best
    same = [box for box in boxes if is_same(box, tracked)]
    if not same:
        return best
    current = max(same, key=lambda box: box.score)
    return best if best.score > SWITCH_RATIO * current.score else current
