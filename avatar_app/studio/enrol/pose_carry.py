"""Where every pixel of a turned face lies in the face at rest, so that what is drawn at rest can be carried along.

The rig's geometry says so to a pixel; what is left is measured by flow and believed only where the face has texture:
lips, nostrils, lids and brows lock to a tenth of a pixel, cheeks stay with the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.live.frame.pose_assets import STEP_PX
from avatar_app.studio.enrol.pose_flow import Flow
from avatar_app.studio.enrol.pose_grid import Grid, grey
from avatar_app.studio.enrol.pose_rig import Surface
from avatar_app.studio.enrol.pose_scatter import scatter

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Every pass looks closer; the last width, in pixels, is the finest that a correction may change over.
WIDTHS_PX = (14.0, 10.0, 8.0)
# Texture below this leaves a pixel where geometry puts it.
LEAST_TEXTURE = 3.0
# A pixel of the crop that is squeezed below this share of its area turns away.
LEAST_SPREAD = 0.3
LEAST_SEEN = 0.3


@dataclass(frozen=True, slots=True)
class Crop:
    """The square of the portrait that the students' pictures show, head at rest.

    Attributes:
        left, top, size_px: in pixels of the portrait.
        eyes: (2, 2) x, y of the irises in the crop: they move by themselves and tell nothing of the head.
    """

    left: int
    top: int
    size_px: int
    eyes: Float32

    def pixels(self) -> Float32:
        """(size, size, 2) x, y in the portrait of every pixel of the crop."""
        across, down = np.arange(self.size_px) + self.left, np.arange(self.size_px) + self.top
        return np.dstack(np.meshgrid(across, down)).astype(np.float32)

    def cut(self, picture: UInt8) -> UInt8:
        """The crop of a portrait."""
        return np.ascontiguousarray(picture[self.top : self.top + self.size_px, self.left : self.left + self.size_px])


class Carrier:
    """Registers turned pictures with the picture at rest."""

    def __init__(self, grid: Grid, surface: Surface, crop: Crop) -> None:
        self._grid, self._surface, self._crop = grid, surface, crop
        self._flow = Flow()
        self._rest = _flatten(crop.cut(grey(grid.pictures[grid.middle])))
        trust = _trust(crop)
        x, y = (cv2.Sobel(self._rest, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
        self._texture: Float32 = np.dstack((x * x, x * y, y * y)) * trust[:, :, None]

    def places(self, row: int, column: int) -> Float32:
        """(size, size, 2) float32: x, y in picture (row, column) of every pixel of the crop."""
        pixels = self._crop.pixels()
        turned = self._surface.turned(pixels, float(self._grid.yaws[column]), float(self._grid.pitches[row]))
        if (row, column) == self._grid.middle:
            return pixels
        picture = grey(self._grid.pictures[row, column])
        correction = np.zeros_like(turned)
        for width_px in WIDTHS_PX:
            seen = _flatten(cv2.remap(picture, turned + correction, None, cv2.INTER_LINEAR))
            correction = self._believed(correction + self._flow(self._rest, seen), width_px)
        return turned + correction

    def _believed(self, flow: Float32, width_px: float) -> Float32:
        """The mean of a flow over a window, each pixel heard only across its edges (Lucas and Kanade 1981)."""
        xx, xy, yy = cv2.split(self._texture)
        pull = np.dstack((xx * flow[:, :, 0] + xy * flow[:, :, 1], xy * flow[:, :, 0] + yy * flow[:, :, 1]))
        xx, xy, yy = cv2.split(cv2.GaussianBlur(self._texture, (0, 0), width_px))
        pull = cv2.GaussianBlur(pull, (0, 0), width_px)
        xx, yy = xx + LEAST_TEXTURE, yy + LEAST_TEXTURE
        scale = 1 / (xx * yy - xy * xy)
        x, y = yy * pull[:, :, 0] - xy * pull[:, :, 1], xx * pull[:, :, 1] - xy * pull[:, :, 0]
        return np.dstack((x * scale, y * scale)).astype(np.float32)


def inverted(places: Float32, seen: Float32, crop: Crop, corner: tuple[int, int], shape: tuple[int, int]) -> Float32:
    """The way back: from a turned picture to the crop at rest.

    Args:
        places: (size, size, 2) from `Carrier.places`.
        seen: (size, size) 0..1, which pixels of the crop the turned picture shows.
        crop: the crop.
        corner: x, y in the portrait of the lattice's first pixel.
        shape: height and width of the lattice.

    Returns:
        (h, w, 2) float32: to be added to a pixel of the portrait; where no face is seen it goes on evenly.
    """
    fine_px = STEP_PX // 2
    place = ((places - np.array(corner)) // fine_px).astype(int)
    size = (shape[0] * 2, shape[1] * 2)
    is_inside = (place >= 0).all(axis=2) & (place[:, :, 0] < size[1]) & (place[:, :, 1] < size[0])
    usable = is_inside & (seen > LEAST_SEEN) & (_spreading(places) > LEAST_SPREAD)
    way = (crop.pixels() - places)[usable].astype(np.float64)
    fine = scatter(place[usable], way, size).astype(np.float32)
    lattice: Float32 = cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA)
    return lattice


def _spreading(places: Float32) -> Float32:
    """(size, size): area that a pixel of the crop takes in the turned picture; below 0 it shows its back."""
    down, across = (np.asarray(slope, np.float32) for slope in np.gradient(places, axis=(0, 1)))
    area: Float32 = across[:, :, 0] * down[:, :, 1] - across[:, :, 1] * down[:, :, 0]
    return area


def _flatten(picture: UInt8) -> UInt8:
    """Without light: differences to the surroundings, in units of their spread."""
    values = picture.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), 10)
    spread = np.sqrt(cv2.GaussianBlur(values * values, (0, 0), 14)) + 6
    flat: UInt8 = np.clip(128 + 40 * values / spread, 0, 255).astype(np.uint8)
    return flat


def _trust(crop: Crop) -> Float32:
    """(size, size) float32: 1 on the face, 0 beside it and on the irises."""
    y, x = np.mgrid[: crop.size_px, : crop.size_px].astype(np.float32)
    trust = np.exp(-(((x - 128) / 95) ** 6) - ((y - 159) / 100) ** 6)
    for eye_x, eye_y in crop.eyes:
        trust *= 1 - 0.97 * np.exp(-(((x - eye_x) / 17) ** 4) - ((y - eye_y) / 9) ** 4)
    return np.asarray(trust, np.float32)
