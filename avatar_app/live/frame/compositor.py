"""Puts the drawn mouth on the avatar's idle picture, and the avatar on its background.

Whole pictures are only copied. Arithmetic is for the mouth's region and the soft outline alone, in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import PatchBox
from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.background import Background

# Light changes slowly over a face: differences are taken on a coarse grid, so that they hold no lips or wrinkles.
TINT_CELL_PX = 24
TINT_BLUR = 1.2
# A patch is enlarged by so much with cubic curves, then looked up between pixels by lines: as sharp as curves at once,
# in a fraction of the time.
FINE = 3


@dataclass(frozen=True)
class _Base:
    """Idle picture k.

    Attributes:
        colours: (size, size, 4) uint8 BGRA; its alpha is not used.
        alpha: (size, size) uint8.
        picture: (size, size, 4) uint8 BGRA, both on the background.
    """

    k: int
    colours: UInt8
    alpha: UInt8
    picture: UInt8


@dataclass(frozen=True)
class _Place:
    """Where the patch lies in idle picture k; kept for all of them.

    Attributes:
        rows, columns: the region that can change.
        to_region: (2, 3) pixels of the enlarged patch to region pixels.
        mask: (h, w) uint8, where the patch counts in the region.
        tint: (h', w', 4) float32 on a coarse grid: the light of this picture against that at rest.
    """

    rows: slice
    columns: slice
    to_region: Float32
    mask: UInt8
    tint: Float32


@dataclass(frozen=True)
class _Blend:
    """What mouths are put on an idle picture with.

    Attributes:
        share: (h, w, 4) int16, 0..255, how much of the patch shows; 0 for the alpha.
        offset: (h, w, 4) int16, added to the patch for its difference from the idle picture: the light of this picture
            against that at rest, less the picture itself.
    """

    share: NDArray[np.int16]
    offset: NDArray[np.int16]


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
        self._mask, self._counts = trimmed(in_box(avatar.mask, box, model_size_px))
        self._rest = in_box(avatar.reference, box, model_size_px)[self._counts]
        self._patch_to_crop = patch_to_crop(box, self._scale) @ _moved(self._counts)
        self._places: dict[int, _Place] = {}
        size_px = avatar.spec.size_px
        self._colours, self._picture = (np.empty((size_px, size_px, 4), np.uint8) for _ in range(2))
        self._base: _Base | None = None
        self._blend: _Blend | None = None
        self.set_background(Background.transparent())

    def set_background(self, background: Background) -> None:
        """Show another background from the next picture on."""
        behind = background.pixels(self._avatar.spec.size_px)
        self._behind: UInt8 | None = None if behind is None else cv2.cvtColor(behind, cv2.COLOR_BGR2BGRA)
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

    def prepare(self, idle_index: int) -> None:
        """Make ready the idle picture that comes next: then composing it takes a third of the time."""
        self._base_of(idle_index)

    def empty(self) -> UInt8:
        """What stands behind the avatar alone, as `compose` gives it."""
        return np.zeros_like(self._picture) if self._behind is None else self._behind.copy()

    def _base_of(self, k: int) -> _Base:
        """Idle picture k on the background; kept, because at 60 fps each is shown more than once."""
        if self._base is None or self._base.k != k:
            decoded, alpha = self._avatar.idle(k)
            # Written to the same place each time: fresh memory would cost as much as the work itself.
            colours = cv2.cvtColor(decoded, cv2.COLOR_BGR2BGRA, dst=self._colours)
            self._base = _Base(k, colours, alpha, over(colours, alpha, self._behind, self._picture))
            self._blend = None
        return self._base

    def _add_mouth(self, picture: UInt8, base: _Base, pixels: UInt8, weight: float) -> None:
        """Move the region's pixels from the idle mouth towards the drawn one."""
        if base.k not in self._places:
            self._places[base.k] = self._make_place(base)
        place = self._places[base.k]
        if self._blend is None:
            self._blend = self._make_blend(base, place)
        change = cv2.add(_warp(pixels[self._counts], place), self._blend.offset, dtype=cv2.CV_16S)
        cv2.multiply(change, self._blend.share, dst=change, scale=weight / 255)
        region = picture[place.rows, place.columns]
        region[:] = cv2.add(region, change, dtype=cv2.CV_8U)

    def _make_blend(self, base: _Base, place: _Place) -> _Blend:
        colours, mask = base.colours[place.rows, place.columns], place.mask
        if self._behind is not None:
            mask = cv2.multiply(mask, base.alpha[place.rows, place.columns], scale=1 / 255)
        share = cv2.merge((mask, mask, mask, np.zeros_like(mask))).astype(np.int16)
        tint = cv2.resize(place.tint, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
        return _Blend(share, cv2.subtract(tint, colours, dtype=cv2.CV_16S))

    def _make_place(self, base: _Base) -> _Place:
        crop_to_portrait = self._avatar.spec.crop_to_portrait[base.k].astype(np.float64)
        to_portrait = crop_to_portrait @ self._patch_to_crop
        rows, columns = _bounds(to_portrait, self._mask.shape, self._avatar.spec.size_px)
        to_region = to_portrait.copy()
        to_region[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        mask = cv2.warpAffine(self._mask, to_region, size, flags=cv2.INTER_LINEAR)
        tint = self._measure_tint(base.colours[rows, columns], base.alpha[rows, columns], to_region, mask)
        return _Place(rows, columns, to_region @ _FINE_TO_PATCH, mask, tint)

    def _measure_tint(self, colours: UInt8, alpha: UInt8, to_region: Float32, mask: UInt8) -> Float32:
        """How the light on an idle picture differs from that at rest, on a coarse grid: (h', w', 4) float32."""
        size = (mask.shape[1], mask.shape[0])
        rest = cv2.warpAffine(self._rest, to_region, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = ((mask > 0) & (alpha == 255)).astype(np.float32)
        difference = (colours.astype(np.float32) - cv2.cvtColor(rest, cv2.COLOR_BGR2BGRA)) * inside[:, :, None]
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


def trimmed(mask: UInt8) -> tuple[UInt8, tuple[slice, slice]]:
    """A mask without its empty edges, and the rows and columns that are left."""
    is_on = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0
    counts = (around(np.any(is_on, axis=1)), around(np.any(is_on, axis=0)))
    return np.ascontiguousarray(mask[counts]), counts


def around(is_in: NDArray[np.bool_]) -> slice:
    """From the first to the last that is in, and one more on each side; where none is, the first alone."""
    found = np.flatnonzero(is_in)
    if not len(found):
        return slice(0, 1)
    return slice(max(0, int(found[0]) - 1), min(len(is_in), int(found[-1]) + 2))


def over(colours: UInt8, alpha: UInt8, behind: UInt8 | None, into: UInt8 | None = None) -> UInt8:
    """The avatar on its background, or with its alpha where there is none.

    Args:
        colours: (H, W, 4) uint8 BGRA; its alpha is not used.
        alpha: (H, W) uint8, straight.
        behind: (H, W, 4) uint8 BGRA, opaque; or None.
        into: (H, W, 4) uint8, where to write the picture; None for a fresh one.

    Returns:
        (H, W, 4) uint8 BGRA.
    """
    picture = np.empty_like(colours) if into is None else into
    if behind is None:
        np.copyto(picture, colours)
        cv2.insertChannel(alpha, picture, 3)
        return picture
    np.copyto(picture, behind)
    cv2.copyTo(colours, cv2.compare(alpha, 255, cv2.CMP_EQ), picture)
    # One pixel in eighty is neither inside nor outside; one less than 0 is 255.
    soft = np.flatnonzero(alpha - np.uint8(1) < 254)
    share = alpha.ravel()[soft].astype(np.uint16)[:, None]
    # Four bytes at once: that is how pixels are looked up fast.
    pixels = picture.view(np.uint32).reshape(-1)
    front = colours.view(np.uint32).reshape(-1)[soft].view(np.uint8).reshape(-1, 4)
    mixed = (front * share + pixels[soft].view(np.uint8).reshape(-1, 4) * (255 - share) + 127) // 255
    mixed[:, 3] = 255
    pixels[soft] = mixed.astype(np.uint8).view(np.uint32)[:, 0]
    return picture


def _moved(counts: tuple[slice, slice]) -> Float32:
    """(3, 3) pixels of a part to pixels of the whole."""
    return np.array([[1, 0, counts[1].start], [0, 1, counts[0].start], [0, 0, 1]])


# (3, 3) pixel centres of an enlarged patch to those of the patch.
_FINE_TO_PATCH = np.array([[1 / FINE, 0, (1 / FINE - 1) / 2], [0, 1 / FINE, (1 / FINE - 1) / 2], [0, 0, 1]])


def _bounds(to_portrait: Float32, shape: tuple[int, ...], size_px: int) -> tuple[slice, slice]:
    """Rows and columns of the portrait that a patch of a shape reaches."""
    right, low_edge = shape[1] - 1, shape[0] - 1
    points = np.array([[0, 0, 1], [right, 0, 1], [0, low_edge, 1], [right, low_edge, 1]]) @ to_portrait.T
    low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, size_px - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, low + 1, size_px)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _warp(pixels: UInt8, place: _Place) -> UInt8:
    """(h, w, 4) uint8 BGRA: the patch in the region."""
    coloured = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    fine = cv2.resize(coloured, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    size = (place.mask.shape[1], place.mask.shape[0])
    drawn: UInt8 = cv2.warpAffine(fine, place.to_region, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return drawn
