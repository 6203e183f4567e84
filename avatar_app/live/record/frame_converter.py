"""Converts pictures of the live path to the encoder's format: background, size, colour planes."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.colour import parse_bgr
from avatar_app.contracts.errors import OutputError, SettingsError
from avatar_app.contracts.packets import UInt8
from avatar_app.live.pixels import over_colour
from avatar_app.live.record.formats import RecordOptions, VideoSize
from avatar_app.live.record.video_file import to_i420

MAX_SIDE_PX = 4096
MIN_SIDE_PX = 16


def video_size(options: RecordOptions, pixels: UInt8) -> VideoSize:
    """The size of the video: as in the options, else that of the first picture; odd sides are padded by one pixel.

    Raises:
        OutputError: encoders do not accept the size.
    """
    height_px, width_px = options.height_px or pixels.shape[0], options.width_px or pixels.shape[1]
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width_px, height_px)):
        raise OutputError(
            f"A video of {width_px} x {height_px} pixels cannot be recorded.",
            f"Choose sides from {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels.",
        )
    return VideoSize(width_px + width_px % 2, height_px + height_px % 2, options.fps)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Parse `#rrggbb` as blue, green, red.

    Raises:
        OutputError: the text is not a colour.
    """
    try:
        return parse_bgr(text)
    except SettingsError as error:
        raise OutputError(error.what, error.what_to_do) from error


class FrameConverter:
    """Flattens, scales and converts pictures. Thread: one at a time.

    Args:
        options: of the recording.
        size: of the video.
    """

    def __init__(self, options: RecordOptions, size: VideoSize) -> None:
        self._size = size
        self._has_alpha = options.format.has_alpha
        self._colour = parse_colour(options.background_colour)

    def convert(self, pixels: UInt8) -> UInt8:
        """Convert a picture.

        Args:
            pixels: (H, W, 4) uint8 BGRA, straight alpha, any size.

        Returns:
            Planes (height * 3 / 2, width) uint8; in formats with alpha (height, width, 4) uint8 BGRA.
        """
        if not self._has_alpha:
            pixels = over_colour(pixels, self._colour)
        pixels = self._fit(pixels)
        return np.ascontiguousarray(pixels) if self._has_alpha else to_i420(pixels)

    def _fit(self, pixels: UInt8) -> UInt8:
        """Scale the whole picture to fit, and centre it."""
        width, height = self._size.width_px, self._size.height_px
        h, w = pixels.shape[:2]
        if (w, h) == (width, height):
            return pixels
        scale = min(width / w, height / h)
        if w not in (width, width - 1) or h not in (height, height - 1):
            w, h = max(1, int(w * scale)), max(1, int(h * scale))
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, (w, h), interpolation=how), np.uint8)
        left, top = (width - w) // 2, (height - h) // 2
        if max(width - w, height - h) <= 1:
            # An odd side: repeat the last row or column.
            return np.asarray(cv2.copyMakeBorder(pixels, 0, height - h, 0, width - w, cv2.BORDER_REPLICATE), np.uint8)
        colour = (0, 0, 0, 0) if self._has_alpha else (*self._colour, 255)
        out = np.full((height, width, 4), colour, np.uint8)
        out[top : top + h, left : left + w] = pixels
        return out
