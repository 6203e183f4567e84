"""Renders an avatar from the pictures of its idle loop, with a patch pasted on for the mouth.

Whole pictures are only copied. Arithmetic is for the mouth's region and the soft outline alone, in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth, PatchPlace
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.renderer import BackgroundSource, Renderer
from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.crop_patch import in_box, patch_to_crop, trimmed
from avatar_app.live.pixels import over

# Light changes slowly over a face: differences are measured on a coarse grid, so that they contain no lips or wrinkles.
TINT_CELL_PX = 24
TINT_BLUR = 1.2
# A patch is enlarged by this factor with bicubic interpolation, then warped with bilinear: as sharp as a bicubic warp,
# in a fraction of the time.
FINE = 3


class PictureAvatar(Avatar):
    """An avatar of the kind `picture`: its head has the idle motion alone."""

    def renderer(self, *, turns_head: bool = False) -> Renderer:
        """See `Renderable`."""
        if turns_head:
            raise AvatarError(f"{self.spec.title}'s head cannot be turned.", "Choose another avatar.")
        return PictureRenderer(self)


@dataclass(frozen=True, eq=False)
class _Base:
    """Idle picture k.

    Attributes:
        colours: (size, size, 4) uint8 BGRA; its alpha is not used.
        alpha: (size, size) uint8.
        picture: (size, size, 4) uint8 BGRA, both on the background.
        is_opaque: whether there is a background.
    """

    k: int
    colours: UInt8
    alpha: UInt8
    picture: UInt8
    is_opaque: bool


@dataclass(frozen=True)
class _Region:
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
    """Factors for pasting a patch on one idle picture.

    Attributes:
        share: (h, w, 4) int16, 0..255, how much of the patch shows; 0 for the alpha.
        offset: (h, w, 4) int16, added to the patch for its difference from the idle picture: the light of this picture
            against that at rest, less the picture itself.
    """

    share: NDArray[np.int16]
    offset: NDArray[np.int16]


class PictureRenderer:
    """See `Renderer`. Thread: one.

    Args:
        avatar: whose pictures.
    """

    turns_head = False

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self._pasters: dict[PatchPlace, _Paster] = {}
        size_px = avatar.spec.size_px
        self._colours, self._picture = (np.empty((size_px, size_px, 4), np.uint8) for _ in range(2))
        self._behind: UInt8 | None = None
        self._base: _Base | None = None

    @property
    def size_px(self) -> int:
        """See `Renderer`."""
        return self._avatar.spec.size_px

    @property
    def idle_fps(self) -> int:
        """See `Renderer`."""
        return self._avatar.spec.idle_fps

    @property
    def n_idle(self) -> int:
        """See `Renderer`."""
        return self._avatar.n_idle

    def set_background(self, background: BackgroundSource) -> None:
        """See `Renderer`."""
        behind = background.pixels(self.size_px)
        self._behind = None if behind is None else cv2.cvtColor(behind, cv2.COLOR_BGR2BGRA)
        self._base = None

    def render(self, idle_index: int, mouth: Mouth | None = None, pose: AvatarPose | None = None) -> UInt8:
        """See `Renderer`; the pose is not used, nor are the mouth's parameters."""
        del pose
        base = self._base_of(idle_index)
        picture: UInt8 = base.picture.copy()
        patch = None if mouth is None else mouth.patch
        if mouth is not None and patch is not None:
            if patch.place not in self._pasters:
                self._pasters[patch.place] = _Paster(self._avatar, patch.place)
            self._pasters[patch.place].paste(picture, base, patch.pixels, mouth.weight)
        return picture

    def prepare(self, idle_index: int) -> None:
        """See `Renderer`: rendering an idle picture that is decoded already takes a third of the time."""
        self._base_of(idle_index)

    def empty(self) -> UInt8:
        """See `Renderer`."""
        return np.zeros_like(self._picture) if self._behind is None else self._behind.copy()

    def _base_of(self, k: int) -> _Base:
        """Idle picture k on the background; kept, because at 60 fps each is shown more than once."""
        if self._base is None or self._base.k != k:
            decoded, alpha = self._avatar.idle(k)
            # The buffers are reused: allocating them would cost as much as the work itself.
            colours = cv2.cvtColor(decoded, cv2.COLOR_BGR2BGRA, dst=self._colours)
            picture = over(colours, alpha, self._behind, self._picture)
            self._base = _Base(k, colours, alpha, picture, is_opaque=self._behind is not None)
        return self._base


class _Paster:
    """Pastes patches of one place on the idle pictures.

    Args:
        avatar: whose pictures.
        place: of the patches.
    """

    def __init__(self, avatar: Avatar, place: PatchPlace) -> None:
        self._avatar = avatar
        box, crop_px = place.box, place.crop_px
        self._mask, self._counts = trimmed(in_box(avatar.mask, box, crop_px))
        self._reference = in_box(avatar.reference, box, crop_px)[self._counts]
        self._patch_to_crop = patch_to_crop(box, avatar.spec.crop_px / crop_px) @ _moved(self._counts)
        self._regions: dict[int, _Region] = {}
        self._blend: tuple[_Base, _Blend] | None = None

    def paste(self, picture: UInt8, base: _Base, pixels: UInt8, weight: float) -> None:
        """Move the region's pixels from the idle mouth towards the patch, in place."""
        if base.k not in self._regions:
            self._regions[base.k] = self._make_region(base)
        region = self._regions[base.k]
        if self._blend is None or self._blend[0] is not base:
            self._blend = (base, _make_blend(base, region))
        blend = self._blend[1]
        change = cv2.add(_warp(pixels[self._counts], region), blend.offset, dtype=cv2.CV_16S)
        cv2.multiply(change, blend.share, dst=change, scale=weight / 255)
        part = picture[region.rows, region.columns]
        part[:] = cv2.add(part, change, dtype=cv2.CV_8U)

    def _make_region(self, base: _Base) -> _Region:
        crop_to_portrait = self._avatar.spec.crop_to_portrait[base.k].astype(np.float64)
        to_portrait = crop_to_portrait @ self._patch_to_crop
        rows, columns = _bounds(to_portrait, self._mask.shape, self._avatar.spec.size_px)
        to_region = to_portrait.copy()
        to_region[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        mask = cv2.warpAffine(self._mask, to_region, size, flags=cv2.INTER_LINEAR)
        tint = self._measure_tint(base.colours[rows, columns], base.alpha[rows, columns], to_region, mask)
        return _Region(rows, columns, to_region @ _FINE_TO_PATCH, mask, tint)

    def _measure_tint(self, colours: UInt8, alpha: UInt8, to_region: Float32, mask: UInt8) -> Float32:
        """How the light on an idle picture differs from that at rest, on a coarse grid: (h', w', 4) float32."""
        size = (mask.shape[1], mask.shape[0])
        rest = cv2.warpAffine(self._reference, to_region, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = ((mask > 0) & (alpha == 255)).astype(np.float32)
        return light_difference(colours, cv2.cvtColor(rest, cv2.COLOR_BGR2BGRA), inside)


def light_difference(colours: UInt8, rest: UInt8, inside: Float32) -> Float32:
    """How the light on a picture differs from that on another one.

    Args:
        colours: (h, w, c) uint8.
        rest: (h, w, c) uint8, the other one.
        inside: (h, w) float32, 1 where the pictures are compared, else 0.

    Returns:
        (h', w', c) float32 on a coarse grid, in grey levels.
    """
    size = (inside.shape[1], inside.shape[0])
    difference = (colours.astype(np.float32) - rest) * inside[:, :, None]
    cells = (max(2, size[0] // TINT_CELL_PX), max(2, size[1] // TINT_CELL_PX))
    total = cv2.GaussianBlur(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA), (0, 0), TINT_BLUR)
    count = cv2.GaussianBlur(cv2.resize(inside, cells, interpolation=cv2.INTER_AREA), (0, 0), TINT_BLUR)
    tint: Float32 = (total / np.maximum(count, 0.05)[:, :, None]).astype(np.float32)
    return tint


def _make_blend(base: _Base, region: _Region) -> _Blend:
    colours, mask = base.colours[region.rows, region.columns], region.mask
    if base.is_opaque:
        mask = cv2.multiply(mask, base.alpha[region.rows, region.columns], scale=1 / 255)
    share = cv2.merge((mask, mask, mask, np.zeros_like(mask))).astype(np.int16)
    tint = cv2.resize(region.tint, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
    return _Blend(share, cv2.subtract(tint, colours, dtype=cv2.CV_16S))


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


def _warp(pixels: UInt8, region: _Region) -> UInt8:
    """(h, w, 4) uint8 BGRA: the patch in the region."""
    coloured = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    fine = cv2.resize(coloured, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    size = (region.mask.shape[1], region.mask.shape[0])
    warped: UInt8 = cv2.warpAffine(
        fine, region.to_region, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return warped
