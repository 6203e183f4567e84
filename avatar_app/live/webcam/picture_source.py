"""Sources of pictures of the user: a camera, or a file in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.packets import UInt8

# Detection works as well in small pictures, and each pixel costs transfer to the tracker process.
MAX_SIDE_PX = 640
# Recordings of the user for an avatar of their own.
MAX_RECORDED_SIDE_PX = 1920
MIN_SIDE_PX = 16


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One picture of the user. It exists in memory only and is never sent; only the user's own recording stores it.

    Attributes:
        t_capture_ns: when the program received it, on the program's clock.
        index: number since the camera was opened.
        pixels: (H, W, 3) uint8 BGR, read only; at most 640 pixels a side for the tracker, 1920 for a recording.
    """

    t_capture_ns: int
    index: int
    pixels: UInt8


class FrameSource(Protocol):
    """An open camera or file. Thread: the camera's.

    Attributes:
        label: its name.
        size: width and height of its pictures.
        fps: nominal frame rate; 0 when unknown.
    """

    label: str
    size: tuple[int, int]
    fps: float

    def read(self) -> tuple[int, UInt8] | None:
        """The next picture.

        Returns:
            Its capture time and (H, W, 3) uint8 BGR; None when none arrived in time.

        Raises:
            CameraInputError: the camera is lost, or the file is damaged.
        """
        ...

    def close(self) -> None:
        """Close it; a second call does nothing."""
        ...


def as_bgr(raw: Any, label: str, max_side_px: int = MAX_SIDE_PX) -> UInt8:
    """Convert a picture of a driver for the tracker.

    Args:
        raw: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, or uint16 with 10 to 16 bits.
        label: name of the camera, for the error.
        max_side_px: of the result.

    Returns:
        (h, w, 3) uint8 BGR, no side longer than `max_side_px`.

    Raises:
        CameraInputError: the format is not supported.
    """
    picture = np.asarray(raw)
    if picture.ndim == 2:
        picture = picture[..., None]
    is_picture = picture.ndim == 3 and picture.shape[2] in (1, 3, 4) and picture.dtype in (np.uint8, np.uint16)
    if not is_picture or min(picture.shape[:2]) < MIN_SIDE_PX:
        raise CameraInputError(
            f"{label} delivers pictures in a format that is not supported ({picture.dtype}, {picture.shape}).",
            "Choose another camera, or another format in the settings of the camera.",
        )
    if picture.dtype == np.uint16:
        picture = _eight_bits(picture)
    return _to_bgr(scaled_down(picture, max_side_px))


def _eight_bits(picture: Any) -> UInt8:
    """Scale to 8 bits. The bit depth comes from the brightest pixel: cameras put 10 bits at either end of 16."""
    n_bits = max(8, int(picture.max()).bit_length())
    n_bits = next(n for n in (8, 10, 12, 16) if n_bits <= n)
    return np.asarray(picture >> (n_bits - 8), np.uint8)


def scaled_down(picture: UInt8, max_side_px: int = MAX_SIDE_PX) -> UInt8:
    """A picture (H, W, C) with no side longer than `max_side_px`; the picture itself if it is small enough."""
    height, width = picture.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small if small.ndim == 3 else small[..., None]


def _to_bgr(picture: UInt8) -> UInt8:
    n_channels = picture.shape[2]
    if n_channels == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(picture[..., :3])
