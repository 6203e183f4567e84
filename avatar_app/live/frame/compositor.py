"""Puts the drawn mouth on the avatar's idle picture, and the avatar on its background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import PatchBox
from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.background import Background

# Light changes slowly over a face: differences are taken on a coarse grid, so that they hold no lips or wrinkles.
TINT_CELL_PX = 24
TINT_BLUR = 1.2


@dataclass(frozen=True)
class _Base:
    """Idle picture k on the background, and what a mouth on it needs."""

    k: int
    picture: UInt8
    colours: UInt8
    alpha: UInt8


@dataclass(frozen=True)
class _Place:
    """Where the patch lies in idle picture k.

    Attributes:
        rows, columns: the region that can change.
        to_region: (2, 3) patch pixels to region pixels.
        weight: (h, w, 1) float32 mask in the region, 0..1.
        tint: (h, w, 3) float32, added to the patch: the light of this idle picture against that at rest.
    """

    rows: slice
    columns: slice
    to_region: Float32
    weight: Float32
    tint: Float32


class Compositor:
    """Composes pictures for students that draw the same box. Thread: one.

    Args:
        avatar: whose face.
        box: what the student draws, in pixels of its own crop.
        model_size_px: side of the student's crop, which the avatar's crop is scaled to.
    """

    def __init__(self, avatar: Avatar, box: PatchBox, model_size_px: int) -> None:
        self._avatar = avatar
        self._box = box
        self._scale = avatar.spec.crop_px / model_size_px
        # Enlarging needs smoothness; at the true size a cubic kernel keeps teeth sharp between pixels.
        self._patch_to_crop = patch_to_crop(box, self._scale)
        self._mask = in_box(avatar.mask, box, model_size_px)
        self._rest = in_box(avatar.reference, box, model_size_px)
        self._tints: dict[int, Float32] = {}
        self._base: _Base | None = None
        self._place: tuple[int, _Place] | None = None
        self.set_background(Background.transparent())

    def set_background(self, background: Background) -> None:
        """Show another background from the next picture on."""
        self._behind = background.pixels(self._avatar.spec.size_px)
        self._base = None

    def compose(self, idle_index: int, pixels: UInt8 | None, weight: float) -> UInt8:
        """One finished picture.

        Args:
            idle_index: which idle picture.
            pixels: (h, w, 3) uint8 BGR, the inside of the box; None leaves the avatar's own resting mouth.
            weight: 0..1, how much of the patch covers that mouth.

        Returns:
            (size, size, 4) uint8 BGRA, straight alpha, fresh.
        """
        base = self._base_of(idle_index)
        picture: UInt8 = base.picture.copy()
        if pixels is not None and weight > 0:
            self._add_mouth(picture, base, pixels, weight)
        return picture

    def empty(self) -> UInt8:
        """What stands behind the avatar alone, as `compose` gives it."""
        size_px = self._avatar.spec.size_px
        if self._behind is None:
            return np.zeros((size_px, size_px, 4), np.uint8)
        picture: UInt8 = cv2.cvtColor(self._behind, cv2.COLOR_BGR2BGRA)
        return picture

    def _base_of(self, k: int) -> _Base:
        """Idle picture k on the background; kept, because at 60 fps each is shown more than once."""
        if self._base is None or self._base.k != k:
            colours, alpha = self._avatar.idle(k)
            self._base = _Base(k, over(colours, alpha, self._behind), colours, alpha)
        return self._base

    def _add_mouth(self, picture: UInt8, base: _Base, pixels: UInt8, weight: float) -> None:
        """Move the region's pixels from the idle mouth towards the drawn one."""
        place = self._place_of(base)
        region = (place.rows, place.columns)
        drawn = _warp(pixels, place).astype(np.float32)
        change = drawn + place.tint - base.colours[region]
        share = place.weight * weight
        if self._behind is not None:
            share = share * (base.alpha[region][:, :, None] * np.float32(1 / 255))
        picture[region][:, :, :3] = cv2.convertScaleAbs(np.maximum(picture[region][:, :, :3] + change * share, 0))

    def _place_of(self, base: _Base) -> _Place:
        if self._place is None or self._place[0] != base.k:
            self._place = (base.k, self._make_place(base))
        return self._place[1]

    def _make_place(self, base: _Base) -> _Place:
        crop_to_portrait = self._avatar.spec.crop_to_portrait[base.k].astype(np.float64)
        to_portrait = crop_to_portrait @ self._patch_to_crop
        rows, columns = _bounds(to_portrait, self._box, self._avatar.spec.size_px)
        to_region = to_portrait.copy()
        to_region[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        mask = cv2.warpAffine(self._mask, to_region, size, flags=cv2.INTER_LINEAR)
        weight = mask[:, :, None].astype(np.float32) * np.float32(1 / 255)
        if base.k not in self._tints:
            self._tints[base.k] = self._measure_tint(base, rows, columns, to_region, mask)
        tint = cv2.resize(self._tints[base.k], size, interpolation=cv2.INTER_LINEAR)
        return _Place(rows, columns, to_region.astype(np.float32), weight, tint)

    def _measure_tint(self, base: _Base, rows: slice, columns: slice, to_region: Float32, mask: UInt8) -> Float32:
        """How the light on idle picture k differs from that at rest, on a coarse grid: (h', w', 3) float32."""
        size = (columns.stop - columns.start, rows.stop - rows.start)
        rest = cv2.warpAffine(self._rest, to_region, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        inside = ((mask > 0) & (base.alpha[rows, columns] == 255)).astype(np.float32)
        difference = (base.colours[rows, columns].astype(np.float32) - rest) * inside[:, :, None]
        cells = (max(2, size[0] // TINT_CELL_PX), max(2, size[1] // TINT_CELL_PX))
        total = cv2.GaussianBlur(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA), (0, 0), TINT_BLUR)
        count = cv2.GaussianBlur(cv2.resize(inside, cells, interpolation=cv2.INTER_AREA), (0, 0), TINT_BLUR)
        tint: Float32 = (total / np.maximum(count, 0.05)[:, :, None]).astype(np.float32)
        return tint


def patch_to_crop(box: PatchBox, scale: float) -> Float32:
    """(3, 3) pixel centres of the patch to pixel centres of the avatar's crop."""
    shift_x = (box.x + 0.5) * scale - 0.5
    shift_y = (box.y + 0.5) * scale - 0.5
    return np.array([[scale, 0, shift_x], [0, scale, shift_y], [0, 0, 1]])


def in_box(picture: UInt8, box: PatchBox, model_size_px: int) -> UInt8:
    """A picture of the avatar's crop as the student would draw it: scaled to its size and cut to its box."""
    size = (model_size_px, model_size_px)
    scaled = picture if picture.shape[:2] == size else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(scaled[box.y : box.y + box.h, box.x : box.x + box.w])


def _bounds(to_portrait: Float32, box: PatchBox, size_px: int) -> tuple[slice, slice]:
    """Rows and columns of the portrait that the patch reaches."""
    corners = np.array([[0, 0, 1], [box.w - 1, 0, 1], [0, box.h - 1, 1], [box.w - 1, box.h - 1, 1]])
    points = corners @ to_portrait.T
    low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, size_px - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, low + 1, size_px)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _warp(pixels: UInt8, place: _Place) -> UInt8:
    size = (place.columns.stop - place.columns.start, place.rows.stop - place.rows.start)
    drawn: UInt8 = cv2.warpAffine(pixels, place.to_region, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return drawn


def over(colours: UInt8, alpha: UInt8, behind: UInt8 | None) -> UInt8:
    """(H, W, 4): the avatar on its background, or with her alpha where there is none."""
    if behind is None:
        return cv2.merge((colours, alpha))  # type: ignore[no-any-return]
    picture: UInt8 = cv2.cvtColor(behind, cv2.COLOR_BGR2BGRA)
    cv2.copyTo(cv2.cvtColor(colours, cv2.COLOR_BGR2BGRA), cv2.compare(alpha, 255, cv2.CMP_EQ), picture)
    # One pixel in eighty is neither inside nor outside.
    soft = np.nonzero(cv2.inRange(alpha, 1, 254))
    share = alpha[soft][:, None].astype(np.float32) * np.float32(1 / 255)
    front, back = colours[soft].astype(np.float32), behind[soft].astype(np.float32)
    picture[soft[0], soft[1], :3] = np.rint(back + (front - back) * share).astype(np.uint8)
    return picture
