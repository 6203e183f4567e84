"""Which of several faces is the user's: the largest and most central one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from avatar_app.contracts.packets import Float32

# Another face takes over only when it is so much better, or two people side by side would be followed in turns.
TAKE_OVER_RATIO = 1.5
SAME_OVERLAP = 0.2


@dataclass(frozen=True, slots=True)
class Box:
    """A face's place, in shares of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Share of the picture."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def merit(self) -> float:
        """Area, counted less the further from the picture's middle."""
        away = math.hypot((self.left + self.right) / 2 - 0.5, (self.top + self.bottom) / 2 - 0.5)
        return self.area * max(0.1, 1 - away)


def box_of(ratios: Float32) -> Box:
    """The box around landmarks (n, 2 or more), in shares of the picture."""
    low, high = ratios[:, :2].min(axis=0), ratios[:, :2].max(axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def is_same(one: Box, other: Box) -> bool:
    """Whether two boxes are of one face: they overlap by a good part of the smaller one."""
    inside = Box(
        max(one.left, other.left), max(one.top, other.top), min(one.right, other.right), min(one.bottom, other.bottom)
    )
    is_apart = inside.right <= inside.left or inside.bottom <= inside.top
    return not is_apart and inside.area >= SAME_OVERLAP * min(one.area, other.area)


def main_face(boxes: Sequence[Box], followed: Box | None) -> Box | None:
    """The face to follow; the one that is followed already stays unless another is much better."""
    if not boxes:
        return None
    best = max(boxes, key=lambda box: box.merit)
    if followed is None:
        return best
    own = [box for box in boxes if is_same(box, followed)]
    if not own:
        return best
    mine = max(own, key=lambda box: box.merit)
    return best if best.merit > TAKE_OVER_RATIO * mine.merit else mine
