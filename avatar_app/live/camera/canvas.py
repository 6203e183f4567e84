"""Places the square avatar on the frame of a camera, with a backdrop that continues its edges."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.camera.layout import Layout
from avatar_app.live.pixels import mix, over_colour

# The backdrop continues the last columns of the picture, increasingly blurred and darker.
EDGE_PX = 8
NEAR_BLUR_RATIO = 0.015
FAR_BLUR_RATIO = 0.12
FAR_BRIGHTNESS = 0.82
# The backdrop is blurred, so it is drawn at this fraction of the size.
BACKDROP_SCALE = 4
FEATHER_RATIO = 0.045


class Canvas:
    """Draws the frames of a camera. Thread: the camera's.

    It reuses its buffers: allocation for each frame costs more than drawing it.

    Args:
        layout: of the camera.
        keeps_alpha: draw BGRA instead of BGR.
    """

    def __init__(self, layout: Layout, *, keeps_alpha: bool = False) -> None:
        self._layout = layout
        self._keeps_alpha = keeps_alpha
        self._side_px = min(layout.size)
        self._left_px = (layout.width_px - self._side_px) // 2
        self._top_px = (layout.height_px - self._side_px) // 2
        self._feather = _feather(self._side_px)
        colour = (0, 0, 0, 0) if keeps_alpha else layout.colour_bgr()
        n_channels = len(colour)
        self._square: UInt8 = np.empty((self._side_px, self._side_px, n_channels), np.uint8)
        self._wide: UInt8 = np.empty((min(layout.size), max(layout.size), n_channels), np.uint8)
        self._blank: UInt8 = np.tile(np.array(colour, np.uint8), (layout.height_px, layout.width_px, 1))

    def blank(self) -> UInt8:
        """A frame without an avatar: (H, W, 3) or (H, W, 4) uint8."""
        return self._blank.copy()

    def draw(self, pixels: UInt8) -> UInt8:
        """One frame.

        Args:
            pixels: (S, S, 4) uint8 BGRA, straight alpha; another shape is cropped to its central square.

        Returns:
            (H, W, 3) uint8 BGR, or (H, W, 4) BGRA with straight alpha; valid until the next picture is drawn.
        """
        square = _central_square(pixels)
        if not self._keeps_alpha:
            composed = over_colour(square, self._layout.colour_bgr())
            square = np.asarray(cv2.cvtColor(composed, cv2.COLOR_BGRA2BGR), np.uint8)
        square = self._scaled(square)
        if self._left_px == 0 and self._top_px == 0:
            return square
        return self._widened(square)

    def _scaled(self, square: UInt8) -> UInt8:
        if square.shape[0] == self._side_px:
            return square
        how = cv2.INTER_AREA if square.shape[0] > self._side_px else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(square, (self._side_px, self._side_px), self._square, interpolation=how), np.uint8)

    def _widened(self, square: UInt8) -> UInt8:
        if self._keeps_alpha:
            frame = self.blank()
            self._window(frame)[:] = square
            return frame
        if self._top_px:
            return np.asarray(cv2.transpose(self._with_sides(np.asarray(cv2.transpose(square), np.uint8))), np.uint8)
        return self._with_sides(square)

    def _with_sides(self, square: UInt8) -> UInt8:
        """Fill the sides of a wide frame; a tall one is transposed. Both seams are feathered."""
        n_before, n_feather = self._left_px or self._top_px, self._feather.shape[1]
        n_after = max(self._layout.size) - self._side_px - n_before
        before = np.asarray(cv2.flip(self._side(square[:, :EDGE_PX], n_before), 1), np.uint8)
        after = self._side(square[:, -EDGE_PX:], n_after)
        first = mix(before[:, -1:], square[:, :n_feather], self._feather)
        last = mix(after[:, :1], square[:, -n_feather:], self._feather[:, ::-1])
        inside = square[:, n_feather:-n_feather]
        return np.asarray(cv2.hconcat((before, first, inside, last, after), self._wide), np.uint8)

    def _side(self, edge: UInt8, width_px: int) -> UInt8:
        """(S, width, 3): the fill to the right of an edge (S, n, 3)."""
        if self._layout.fill == "extend":
            return _backdrop(edge, width_px)
        return np.tile(np.array(self._layout.colour_bgr(), np.uint8), (edge.shape[0], width_px, 1))

    def _window(self, frame: UInt8) -> UInt8:
        rows = slice(self._top_px, self._top_px + self._side_px)
        return frame[rows, self._left_px : self._left_px + self._side_px]


def _central_square(pixels: UInt8) -> UInt8:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _backdrop(edge: UInt8, width_px: int) -> UInt8:
    """(H, width, 3): an edge (H, n, 3) continued to the right, increasingly blurred."""
    height = edge.shape[0]
    small = (max(1, height // BACKDROP_SCALE), max(2, width_px // BACKDROP_SCALE))
    column = cv2.resize(edge, (1, small[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
    near, far = (_blurred(column, ratio * small[0]) for ratio in (NEAR_BLUR_RATIO, FAR_BLUR_RATIO))
    share = np.linspace(0, 1, small[1], dtype=np.float32)[None, :, None]
    share = share * share * (3 - 2 * share)
    mixed = (near + share * (FAR_BRIGHTNESS * far - near)).astype(np.uint8)
    return np.asarray(cv2.resize(mixed, (width_px, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _blurred(column: Float32, sigma_px: float) -> Float32:
    """(H, 1, 3) blurred along its height."""
    soft = cv2.GaussianBlur(column, (1, 0), sigmaX=1e-3, sigmaY=sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, np.float32).reshape(column.shape)


def _feather(side_px: int) -> Float32:
    """(1, n, 1) float32, 0 at the seam to 1 inside."""
    n = max(1, round(FEATHER_RATIO * side_px))
    share = (np.arange(n, dtype=np.float32) + 0.5) / n
    return np.asarray(share * share * (3 - 2 * share), np.float32)[None, :, None]
