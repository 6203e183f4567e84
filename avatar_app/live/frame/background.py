"""The background behind the avatar."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.colour import parse_bgr
from avatar_app.contracts.errors import InputFileError, SettingsError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.input_file import read_bytes, reason
from avatar_app.contracts.packets import UInt8
from avatar_app.live.frame.picture_file import decode_picture, picture_size
from avatar_app.settings.paths import user_path

CHECKER_PX = 16
CHECKER_GREYS = (150, 132)
# Limits of a background picture; it is stored no larger than the largest portrait.
MAX_BYTES = 100_000_000
MIN_SIDE_PX, MAX_SIDE_PX = 16, 20_000
MAX_RATIO = 20
MAX_PIXELS = 50_000_000
KEPT_PX = 2048


class Background:
    """A background for pictures of any size.

    Args:
        source: (h, w, 3) uint8 BGR, a square unless it is a tile; None leaves the avatar transparent.
        is_tile: repeat the source instead of scaling it.
    """

    def __init__(self, source: UInt8 | None, *, is_tile: bool = False) -> None:
        self._source = source
        self._is_tile = is_tile

    @classmethod
    def transparent(cls) -> Background:
        """No background: pictures keep their straight alpha."""
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
            SettingsError: it is not a colour.
        """
        return cls(np.array([[parse_bgr(text)]], np.uint8), is_tile=True)

    @classmethod
    def picture(cls, path: str | Path) -> Background:
        """A picture that fills the square; the rest is cropped evenly.

        Decoding takes up to half a gigabyte and some seconds, so do not call it on the window's thread; 12 MB are kept.
        The last picture is cached until its file changes.

        Raises:
            SettingsError: it cannot be read, or is too large, too small or too long.
        """
        try:
            place = user_path(path)
            return cls(_square(place, _version(place)))
        except InputFileError as error:
            raise SettingsError(
                f"The background picture {shown(str(path))} cannot be used: {error}.",
                "Choose a PNG, JPEG or WebP picture of ordinary size.",
            ) from error

    def pixels(self, size_px: int) -> UInt8 | None:
        """(size, size, 3) uint8 BGR; None leaves the avatar transparent."""
        if self._source is None:
            return None
        if self._is_tile:
            n_down, n_across = (-(-size_px // side) for side in self._source.shape[:2])
            return np.ascontiguousarray(np.tile(self._source, (n_down, n_across, 1))[:size_px, :size_px])
        return _scaled(self._source, size_px)


def _version(path: Path) -> tuple[int, int]:
    """Modification time and size, which change with the file."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        raise InputFileError(f"it cannot be opened ({reason(error)})") from error
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=1)
def _square(path: Path, version: tuple[int, int]) -> UInt8:
    """The middle of a picture, (side, side, 3) BGR, no larger than any portrait. `version` is for the cache alone."""
    del version
    content = read_bytes(path, MAX_BYTES)
    width, height = picture_size(content)
    if (fault := _fault(width, height)) is not None:
        raise InputFileError(f"it has {width} x {height} pixels, which is too {fault}")
    # A JPEG picture is decoded at half its size in half the time.
    is_large = min(width, height) >= 2 * KEPT_PX
    picture = decode_picture(content, cv2.IMREAD_REDUCED_COLOR_2 if is_large else cv2.IMREAD_COLOR)
    # The decoder applies the EXIF rotation, so the size can differ from that of the header.
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _scaled(picture[top : top + side, left : left + side], min(side, KEPT_PX))


def _fault(width: int, height: int) -> str | None:
    """Why a picture of this size is refused; None if it is not."""
    short, long = sorted((width, height))
    if long > MAX_SIDE_PX or width * height > MAX_PIXELS:
        return "large"
    if short < MIN_SIDE_PX:
        return "small"
    return "long" if long > MAX_RATIO * short else None


def _scaled(square: UInt8, size_px: int) -> UInt8:
    """A contiguous copy of a square in another size."""
    if len(square) == size_px:
        return square.copy()
    method = cv2.INTER_AREA if size_px < len(square) else cv2.INTER_CUBIC
    scaled: UInt8 = cv2.resize(square, (size_px, size_px), interpolation=method)
    return scaled
