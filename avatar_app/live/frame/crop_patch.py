"""How a patch fits the face crop of an avatar."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.mouth import PatchBox
from avatar_app.contracts.packets import Float32, UInt8


def patch_to_crop(box: PatchBox, scale: float) -> Float32:
    """(3, 3) pixel centres of the patch to pixel centres of the avatar's crop."""
    shift_x = (box.x + 0.5) * scale - 0.5
    shift_y = (box.y + 0.5) * scale - 0.5
    return np.array([[scale, 0, shift_x], [0, scale, shift_y], [0, 0, 1]])


def in_box(picture: UInt8, box: PatchBox, crop_px: int) -> UInt8:
    """A picture of the avatar's crop, scaled to `crop_px` and cut to the box."""
    size = (crop_px, crop_px)
    scaled = picture if picture.shape[:2] == size else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(scaled[box.y : box.y + box.h, box.x : box.x + box.w])


def trimmed(mask: UInt8) -> tuple[UInt8, tuple[slice, slice]]:
    """A mask without its empty edges, and the rows and columns that are left."""
    is_on = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0
    counts = (around(np.any(is_on, axis=1)), around(np.any(is_on, axis=0)))
    return np.ascontiguousarray(mask[counts]), counts


def around(is_in: NDArray[np.bool_]) -> slice:
    """The range from the first to the last true value, and one more on each side; if none is true, the first alone."""
    found = np.flatnonzero(is_in)
    if not len(found):
        return slice(0, 1)
    return slice(max(0, int(found[0]) - 1), min(len(is_in), int(found[-1]) + 2))
