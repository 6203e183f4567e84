"""The square portrait that is cut from a person's pictures: head and shoulders, the same place in every picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.data.clips import CROP_PX
from avatar_app.studio.enrol.person.alignment import EYES_AT, LIPS_AT

Float64 = NDArray[np.float64]

SIZE_PX, MAX_SIZE_PX = 512, 1024
EYES_PX, LIPS_PX = (tuple(CROP_PX * part for part in at) for at in (EYES_AT, LIPS_AT))
# Nova's portrait is two crops wide; its eyes are at 0.44 of the height.
PORTRAIT_CROPS = 2.0
EYES_AT_RATIO, LOWEST_EYES_RATIO = 0.44, 0.48
# From the eyes to the top of the hair: usual, least, and most; and free space above it, in sides of the crop.
HAIR_CROPS, MIN_HAIR_CROPS, MAX_HAIR_CROPS, HEADROOM_CROPS = 0.7, 0.4, 1.2, 0.08
MIN_SIDE_PX = 160
# Below this scale a picture is blurred before it is reduced, because bilinear reduction would alias.
ALIAS_SCALE = 0.75


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of a picture, from edge to edge, in coordinates of pixel centres."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, width_px: int, height_px: int) -> Area:
        """The whole of a picture."""
        return cls(-0.5, -0.5, width_px - 0.5, height_px - 0.5)

    def moved(self, affine: Float64) -> Area:
        """The rectangle after a map (2, 3) without rotation."""
        left, top = affine @ (self.left, self.top, 1)
        right, bottom = affine @ (self.right, self.bottom, 1)
        return Area(float(left), float(top), float(right), float(bottom))

    def shared(self, other: Area) -> Area:
        """What two rectangles have in common."""
        return Area(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )


def portrait_of(
    crop_to_picture: Float32, area: Area, size_px: int = SIZE_PX, head_top_px: float | None = None
) -> Float64:
    """The map from pictures to the portrait.

    The square is as large as Nova's in relation to the face, and smaller where the picture ends below. It may leave
    the picture above and at the sides; see `cut_portrait`.

    Args:
        crop_to_picture: (n, 2, 3), the face in pictures with the head at rest, see `FaceCrops`.
        area: what the pictures show.
        size_px: side of the portrait.
        head_top_px: y of the top of the hair in the pictures; None if unknown.

    Returns:
        (2, 3) float64; picture point p lies at M @ (p, 1) in the portrait. Points are pixel centres.

    Raises:
        StudioError: the face is too near the lower edge of the picture, or too small.
    """
    middle = np.median(np.asarray(crop_to_picture, np.float64), axis=0)
    eyes, lips = middle @ (*EYES_PX, 1), middle @ (*LIPS_PX, 1)
    crop_px = CROP_PX * float(np.linalg.norm(lips - eyes)) / (LIPS_PX[1] - EYES_PX[1])
    width, height = area.right - area.left, area.bottom - area.top
    side = PORTRAIT_CROPS * crop_px
    below = min((1 - EYES_AT_RATIO) * side, area.bottom - eyes[1])
    side = min(side, below / (1 - LOWEST_EYES_RATIO), width)
    hair = HAIR_CROPS if head_top_px is None else (float(eyes[1]) - head_top_px) / crop_px
    above_px = (float(np.clip(hair, MIN_HAIR_CROPS, MAX_HAIR_CROPS)) + HEADROOM_CROPS) * crop_px
    side = max(side, min(below + above_px, height, width))
    if side < MIN_SIDE_PX or below < 0.6 * crop_px:
        raise StudioError(
            "The face is too small or too near the lower edge of the video.",
            "Record with the head in the middle of the picture, shoulders included.",
        )
    top = eyes[1] + below - side
    left = float(np.clip(eyes[0] - side / 2, area.left, area.right - side))
    scale = size_px / side
    return np.array([[scale, 0, -left * scale - 0.5], [0, scale, -top * scale - 0.5]])


def crop_to_portrait(crop_to_picture: Float32, picture_to_portrait: Float64) -> Float32:
    """The maps from the face crop to the portrait.

    Args:
        crop_to_picture: (n, 2, 3), see `FaceCrops`.
        picture_to_portrait: (2, 3), see `portrait_of`.

    Returns:
        (n, 2, 3) float32.
    """
    return np.asarray(composed(picture_to_portrait, np.asarray(crop_to_picture, np.float64)), np.float32)


def composed(last: Float64, first: Float64) -> Float64:
    """The affine map that applies `first`, then `last`; (..., 2, 3) each."""
    linear = last[..., :2] @ first[..., :2]
    shift = last[..., :2] @ first[..., 2:] + last[..., 2:]
    return np.concatenate((linear, shift), axis=-1)


def alignment(crop_to_picture: Float32, wanted: Float32) -> Float64:
    """The scale and shift that bring the face of one take to the place of the face of another.

    Args:
        crop_to_picture: (n, 2, 3) of the take that is moved.
        wanted: (m, 2, 3) of the other.

    Returns:
        (2, 3) float64, from pictures to pictures; without rotation, so that shoulders stay level.
    """
    points = np.array([(*EYES_PX, 1.0), (*LIPS_PX, 1.0)])
    ours, theirs = (points @ np.median(np.asarray(a, np.float64), axis=0).T for a in (crop_to_picture, wanted))
    scale = float(np.linalg.norm(theirs[1] - theirs[0]) / np.linalg.norm(ours[1] - ours[0]))
    shift = theirs.mean(axis=0) - scale * ours.mean(axis=0)
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def cut_portrait(picture: UInt8, picture_to_portrait: Float64, size_px: int) -> UInt8:
    """Cut the portrait from a picture; outside the picture, it is mirrored.

    Args:
        picture: (H, W, c) uint8.
        picture_to_portrait: (2, 3), see `portrait_of`.
        size_px: side of the portrait.
    """
    scale = float(np.sqrt(np.linalg.det(picture_to_portrait[:, :2])))
    if scale < ALIAS_SCALE:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 / scale), np.uint8)
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    cut = cv2.warpAffine(picture, picture_to_portrait, (size_px, size_px), flags=way, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(cut, np.uint8)
