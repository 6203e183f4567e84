"""What stands behind the avatar."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.colour import parse_bgr
from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.packets import UInt8

CHECKER_PX = 16
CHECKER_GREYS = (150, 132)


class Background:
    """A picture for every size, or nothing.

    Args:
        source: (h, w, 3) uint8 BGR; None means that the avatar stays transparent.
        is_tile: repeat the source instead of scaling it.
    """

    def __init__(self, source: UInt8 | None, *, is_tile: bool = False) -> None:
        self._source = source
        self._is_tile = is_tile

    @classmethod
    def transparent(cls) -> Background:
        """Nothing: pictures keep their alpha, straight."""
        return cls(None)

    @classmethod
    def checker(cls) -> Background:
        """The checkerboard that stands for transparency."""
        light, dark = CHECKER_GREYS
        tile = np.kron(np.array([[light, dark], [dark, light]], np.uint8), np.ones((CHECKER_PX, CHECKER_PX), np.uint8))
        return cls(np.repeat(tile[:, :, None], 3, axis=2), is_tile=True)

    @classmethod
    def colour(cls, text: str) -> Background:
        """One colour.

        Args:
            text: `#rrggbb`.

        Raises:
            SettingsError: it is no colour.
        """
        return cls(np.array([[parse_bgr(text)]], np.uint8), is_tile=True)

    @classmethod
    def picture(cls, path: str | Path) -> Background:
        """A picture that fills the square; what does not fit is cut off evenly.

        Raises:
            SettingsError: it cannot be read.
        """
        try:
            content = Path(path).expanduser().read_bytes()
        except OSError as error:
            raise SettingsError(
                f"The background picture {path} cannot be read: {error.strerror}.", "Choose another picture."
            ) from error
        # An empty buffer is an exception to OpenCV, other rubbish is not.
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
        if picture is None:
            raise SettingsError(
                f"The background picture {path} is no picture that can be read.", "Choose a PNG, JPEG or WebP picture."
            )
        return cls(picture)

    def pixels(self, size_px: int) -> UInt8 | None:
        """(size, size, 3) uint8 BGR, or None where the avatar stays transparent."""
        if self._source is None:
            return None
        if self._is_tile:
            n_down, n_across = (-(-size_px // side) for side in self._source.shape[:2])
            return np.ascontiguousarray(np.tile(self._source, (n_down, n_across, 1))[:size_px, :size_px])
        return _cover(self._source, size_px)


def _cover(picture: UInt8, size_px: int) -> UInt8:
    """Scale a picture so that it fills a square, and cut its middle out."""
    height, width = picture.shape[:2]
    scale = size_px / min(height, width)
    wide, high = max(size_px, round(width * scale)), max(size_px, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (wide, high), interpolation=method)
    top, left = (high - size_px) // 2, (wide - size_px) // 2
    return np.ascontiguousarray(scaled[top : top + size_px, left : left + size_px])
