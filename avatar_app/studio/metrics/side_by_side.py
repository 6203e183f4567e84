"""Pictures side by side below their titles, for videos that compare."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

TITLE_PX = 32
GAP_PX = 8
# Players show their controls over the lower edge; this space keeps them off the mouths.
CONTROLS_PX = 72
BACKGROUND_GREY = 22
INK_GREY = 235


def canvas_size_px(n: int, side_px: int) -> tuple[int, int]:
    """Width and height of `n` square pictures side by side."""
    return n * (side_px + GAP_PX) + GAP_PX, TITLE_PX + side_px + CONTROLS_PX


def side_by_side(pictures: Sequence[UInt8], titles: Sequence[str]) -> UInt8:
    """(height, width, 4) uint8 BGRA of (side, side, 3) pictures below their titles."""
    side_px = len(pictures[0])
    width, height = canvas_size_px(len(pictures), side_px)
    canvas = np.full((height, width, 4), BACKGROUND_GREY, np.uint8)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = GAP_PX + place * (side_px + GAP_PX)
        canvas[TITLE_PX : TITLE_PX + side_px, left : left + side_px, :3] = picture
        at = (left + 2, TITLE_PX - 10)
        cv2.putText(canvas, title, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (INK_GREY,) * 3, 1, cv2.LINE_AA)
    return canvas
