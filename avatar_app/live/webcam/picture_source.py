"""What gives pictures of the user: a camera, or a file in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.packets import UInt8

# Faces are found as well in a small picture; each pixel costs on its way to the tracker.
MAX_SIDE_PX = 640
MIN_SIDE_PX = 16


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One picture of the user. It lives in memory alone, and is never stored or sent.

    Attributes:
        t_capture_ns: instant at which the program got it, on the program's clock.
        index: number since the camera was opened.
        pixels: (H, W, 3) uint8 BGR, at most 640 pixels a side, read only.
    """

    t_capture_ns: int
    index: int
    pixels: UInt8


class Source(Protocol):
    """An open camera or file. Thread: the camera's.

    Attributes:
        label: its name.
        size: width and height as it delivers them.
        fps: as it promises; 0 when it promises nothing.
    """

    label: str
    size: tuple[int, int]
    fps: float

    def read(self) -> tuple[int, UInt8] | None:
        """The next picture: its instant, and (H, W, 3) uint8 BGR; None when none came for a while.

        Raises:
            CameraInputError: the camera is gone, or the file broken.
        """
        ...

    def close(self) -> None:
        """Give it back; twice is fine."""
        ...


def as_bgr(raw: Any, label: str) -> UInt8:
    """Whatever a driver gives as a picture for the tracker.

    Args:
        raw: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, or uint16 with 10 to 16 bits.
        label: of the camera, for the sentence.

    Returns:
        (h, w, 3) uint8 BGR, no side longer than 640 pixels.

    Raises:
        CameraInputError: it is no picture.
    """
    picture = np.asarray(raw)
    if picture.ndim == 2:
        picture = picture[..., None]
    is_picture = picture.ndim == 3 and picture.shape[2] in (1, 3, 4) and picture.dtype in (np.uint8, np.uint16)
    if not is_picture or min(picture.shape[:2]) < MIN_SIDE_PX:
        raise CameraInputError(
            f"{label} gives pictures of a kind that is not known ({picture.dtype}, {picture.shape}).",
            "Choose another camera, or another format in its own settings.",
        )
    if picture.dtype == np.uint16:
        picture = _eight_bits(picture)
    return _coloured(_small(picture))


def _eight_bits(picture: Any) -> UInt8:
    """The bits that are in use, from the brightest pixel: cameras put 10 bits into the low or the high end."""
    n_bits = max(8, int(picture.max()).bit_length())
    n_bits = next(n for n in (8, 10, 12, 16) if n_bits <= n)
    return np.asarray(picture >> (n_bits - 8), np.uint8)


def _small(picture: UInt8) -> UInt8:
    height, width = picture.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small if small.ndim == 3 else small[..., None]


def _coloured(picture: UInt8) -> UInt8:
    n_channels = picture.shape[2]
    if n_channels == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(picture[..., :3])
