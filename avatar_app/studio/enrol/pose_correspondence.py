"""Correspondence between a turned face and the face at rest, to move a mouth generated at rest to any pose.

The geometry of the rig is exact to about a pixel. Optical flow measures the residual where the face has texture: lips,
nostrils, lids and brows are exact to a tenth of a pixel; cheeks keep the position from the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.live.frame.pose_assets import STEP_PX
from avatar_app.studio.enrol.pose_flow import Flow
from avatar_app.studio.enrol.pose_grid import PoseGrid, grey
from avatar_app.studio.enrol.pose_rig import Surface
from avatar_app.studio.enrol.pose_scatter import scatter

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Smoothing widths of the passes, from coarse to fine, in pixels.
WIDTHS_PX = (14.0, 10.0, 8.0)
# Pixels with less texture keep the position from the geometry.
MIN_TEXTURE = 3.0
# A pixel of the crop whose area shrinks below this ratio faces away from the camera.
MIN_AREA_RATIO = 0.3
MIN_VISIBILITY = 0.3


@dataclass(frozen=True, slots=True)
class Crop:
    """The face crop: the square of the portrait that the students generate, with the head at rest.

    Attributes:
        left, top, size_px: in pixels of the portrait.
        eyes: (2, 2) x, y of the irises in the crop; registration ignores them because they move independently.
    """

    left: int
    top: int
    size_px: int
    eyes: Float32

    def pixels(self) -> Float32:
        """(size, size, 2) x, y in the portrait of each pixel of the crop."""
        across, down = np.arange(self.size_px) + self.left, np.arange(self.size_px) + self.top
        return np.dstack(np.meshgrid(across, down)).astype(np.float32)

    def cut(self, picture: UInt8) -> UInt8:
        """Cut the crop out of a portrait."""
        return np.ascontiguousarray(picture[self.top : self.top + self.size_px, self.left : self.left + self.size_px])


class Correspondence:
    """Registers the pictures of a pose grid with the picture at rest."""

    def __init__(self, grid: PoseGrid, surface: Surface, crop: Crop) -> None:
        self._grid, self._surface, self._crop = grid, surface, crop
        self._flow = Flow()
        self._rest = _flatten(crop.cut(grey(grid.pictures[grid.middle])))
        weight = _weight(crop)
        x, y = (cv2.Sobel(self._rest, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
        self._texture: Float32 = np.dstack((x * x, x * y, y * y)) * weight[:, :, None]

    def positions(self, row: int, column: int) -> Float32:
        """(size, size, 2) float32: x, y in picture (row, column) of each pixel of the crop."""
        pixels = self._crop.pixels()
        turned = self._surface.turned(pixels, float(self._grid.yaws[column]), float(self._grid.pitches[row]))
        if (row, column) == self._grid.middle:
            return pixels
        picture = grey(self._grid.pictures[row, column])
        correction = np.zeros_like(turned)
        for width_px in WIDTHS_PX:
            found = _flatten(cv2.remap(picture, turned + correction, None, cv2.INTER_LINEAR))
            correction = self._smoothed(correction + self._flow(self._rest, found), width_px)
        return turned + correction

    def _smoothed(self, flow: Float32, width_px: float) -> Float32:
        """Weighted mean of a flow over a window, by the structure tensor of the texture (Lucas and Kanade 1981)."""
        xx, xy, yy = cv2.split(self._texture)
        pull = np.dstack((xx * flow[:, :, 0] + xy * flow[:, :, 1], xy * flow[:, :, 0] + yy * flow[:, :, 1]))
        xx, xy, yy = cv2.split(cv2.GaussianBlur(self._texture, (0, 0), width_px))
        pull = cv2.GaussianBlur(pull, (0, 0), width_px)
        xx, yy = xx + MIN_TEXTURE, yy + MIN_TEXTURE
        scale = 1 / (xx * yy - xy * xy)
        x, y = yy * pull[:, :, 0] - xy * pull[:, :, 1], xx * pull[:, :, 1] - xy * pull[:, :, 0]
        return np.dstack((x * scale, y * scale)).astype(np.float32)


def inverted(
    positions: Float32, visibility: Float32, crop: Crop, corner: tuple[int, int], shape: tuple[int, int]
) -> Float32:
    """Invert a correspondence: from pixels of a turned picture to the crop at rest.

    Args:
        positions: (size, size, 2) from `Correspondence.positions`.
        visibility: (size, size) in 0..1, visibility of each pixel of the crop in the turned picture.
        crop: the crop.
        corner: x, y in the portrait of the first pixel of the lattice.
        shape: height and width of the lattice.

    Returns:
        (h, w, 2) float32: offsets to add to pixels of the portrait; extrapolated where no face is visible.
    """
    fine_px = STEP_PX // 2
    place = ((positions - np.array(corner)) // fine_px).astype(int)
    size = (shape[0] * 2, shape[1] * 2)
    is_inside = (place >= 0).all(axis=2) & (place[:, :, 0] < size[1]) & (place[:, :, 1] < size[0])
    usable = is_inside & (visibility > MIN_VISIBILITY) & (_area_ratio(positions) > MIN_AREA_RATIO)
    offsets = (crop.pixels() - positions)[usable].astype(np.float64)
    fine = scatter(place[usable], offsets, size).astype(np.float32)
    lattice: Float32 = cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA)
    return lattice


def _area_ratio(positions: Float32) -> Float32:
    """(size, size): area of each pixel of the crop in the turned picture; negative where it faces away."""
    down, across = (np.asarray(slope, np.float32) for slope in np.gradient(positions, axis=(0, 1)))
    area: Float32 = across[:, :, 0] * down[:, :, 1] - across[:, :, 1] * down[:, :, 0]
    return area


def _flatten(picture: UInt8) -> UInt8:
    """Remove the light: local differences divided by the local standard deviation."""
    values = picture.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), 10)
    spread = np.sqrt(cv2.GaussianBlur(values * values, (0, 0), 14)) + 6
    flat: UInt8 = np.clip(128 + 40 * values / spread, 0, 255).astype(np.uint8)
    return flat


def _weight(crop: Crop) -> Float32:
    """(size, size) float32: 1 on the face, 0 beside it and on the irises."""
    y, x = np.mgrid[: crop.size_px, : crop.size_px].astype(np.float32)
    weight = np.exp(-(((x - 128) / 95) ** 6) - ((y - 159) / 100) ** 6)
    for eye_x, eye_y in crop.eyes:
        weight *= 1 - 0.97 * np.exp(-(((x - eye_x) / 17) ** 4) - ((y - eye_y) / 9) ** 4)
    return np.asarray(weight, np.float32)
