"""The visible mark: a small badge in a corner that labels the picture as AI-generated."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.pixels import over_transparent

TEXT = "AI avatar"
HEIGHT_SHARE = 0.055
MIN_HEIGHT_PX = 14
MARGIN_SHARE = 0.6
PILL_BGR = (40, 32, 28)
TEXT_BGR = (245, 242, 240)
PILL_ALPHA = 0.72
# Drawn larger and scaled down: OpenCV's letters are thin and jagged at small sizes.
OVERSAMPLE = 6


class Badge:
    """Draws the badge in the lower right corner. Thread: one at a time."""

    def __init__(self) -> None:
        self._height_px = 0
        self._colours: Float32 = np.zeros((0, 0, 3), np.float32)
        self._alpha: Float32 = np.zeros((0, 0, 1), np.float32)

    def stamp(self, bgra: UInt8) -> None:
        """Draw into (H, W, 4) uint8 BGRA, straight alpha, in place. A picture too small for it is left unchanged."""
        height_px = max(MIN_HEIGHT_PX, round(HEIGHT_SHARE * bgra.shape[0]))
        if height_px != self._height_px:
            self._height_px = height_px
            self._colours, self._alpha = _draw(height_px)
        h, w = self._alpha.shape[:2]
        margin = round(MARGIN_SHARE * height_px)
        if h + margin > bgra.shape[0] or w + margin > bgra.shape[1]:
            return
        corner = bgra[-h - margin : bgra.shape[0] - margin, -w - margin : bgra.shape[1] - margin]
        over_transparent(corner, self._colours, self._alpha)


def _draw(height_px: int) -> tuple[Float32, Float32]:
    """Colours (h, w, 3) and alpha (h, w, 1) of the badge."""
    tall = height_px * OVERSAMPLE
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, round(0.4 * tall), 1)
    thickness = max(1, round(0.055 * tall))
    (text_w, text_h), _ = cv2.getTextSize(TEXT, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    wide = (text_w + round(0.9 * tall)) // OVERSAMPLE * OVERSAMPLE
    pill, letters = np.zeros((tall, wide), np.uint8), np.zeros((tall, wide), np.uint8)
    radius = tall // 2
    cv2.rectangle(pill, (radius, 0), (wide - radius, tall), 255, -1)
    for x in (radius, wide - radius - 1):
        cv2.circle(pill, (x, radius), radius - 1, 255, -1)
    place = ((wide - text_w) // 2, (tall + text_h) // 2)
    cv2.putText(letters, TEXT, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    size = (wide // OVERSAMPLE, height_px)
    shape = cv2.resize(pill, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    ink = cv2.resize(letters, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    colours = (1 - ink) * np.array(PILL_BGR, np.float32) + ink * np.array(TEXT_BGR, np.float32)
    return colours.astype(np.float32), np.maximum(shape * PILL_ALPHA, ink).astype(np.float32)
