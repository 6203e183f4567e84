"""Picture files: the size is read from the header, so that an oversized one is never decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.packets import UInt8

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
JPEG_ALONE = (0x01, *range(0xD0, 0xD9))
# Frame headers are 0xC0 to 0xCF except for tables of codes, extensions and arithmetic coding conditions.
JPEG_NO_FRAME = (0xC4, 0xC8, 0xCC)
JPEG_LAST = (0xD9, 0xDA)
MAX_SEGMENTS = 10_000
TIFF_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
TIFF_WIDTH, TIFF_HEIGHT, TIFF_SHORT = 256, 257, 3


def picture_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header of a PNG, JPEG, WebP, BMP or TIFF picture.

    Raises:
        InputFileError: it is not one of these.
    """
    try:
        size = _size(content)
    except (struct.error, IndexError) as error:
        raise InputFileError("it is cut short") from error
    if size is None or min(size) < 1:
        raise InputFileError("it is not a picture in a supported format")
    return size


def decode_sized(content: bytes, mode: int, shape: tuple[int, ...]) -> UInt8:
    """Decode a picture that must have a certain size; another size is refused before decoding.

    Args:
        content: PNG, JPEG, WebP, BMP or TIFF.
        mode: `cv2.IMREAD_COLOR` or `cv2.IMREAD_GRAYSCALE`.
        shape: of the array; height and width first.

    Raises:
        InputFileError: it is not a picture, has another size, or is damaged.
    """
    width, height = picture_size(content)
    if (height, width) != shape[:2]:
        raise InputFileError(f"it has {width} x {height} pixels, not {shape[1]} x {shape[0]}")
    picture = decode_picture(content, mode)
    if picture.shape != shape:
        raise InputFileError("it is damaged")
    return picture


def decode_picture(content: bytes, mode: int) -> UInt8:
    """Decode a picture whose size was checked.

    Args:
        content: PNG, JPEG, WebP, BMP or TIFF.
        mode: `cv2.IMREAD_COLOR` or `cv2.IMREAD_GRAYSCALE`.

    Returns:
        (h, w, 3) BGR or (h, w) uint8.

    Raises:
        InputFileError: it is damaged.
    """
    try:
        picture: UInt8 | None = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    except (cv2.error, MemoryError) as error:
        raise InputFileError("it is damaged") from error
    if picture is None:
        raise InputFileError("it is damaged")
    return picture


def _size(content: bytes) -> tuple[int, int] | None:
    if content.startswith(PNG_START):
        width, height = struct.unpack_from(">II", content, 16)
        return width, height
    if content.startswith(JPEG_START):
        return _jpeg_size(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp_size(content)
    if content.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", content, 18)
        return width, abs(height)
    return _tiff_size(content, TIFF_STARTS[content[:4]]) if content[:4] in TIFF_STARTS else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(MAX_SEGMENTS):
        if content[at] != 0xFF:
            return None
        kind = content[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in JPEG_NO_FRAME:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        if kind in JPEG_LAST:
            return None
        if kind == 0xFF:
            at += 1
        elif kind in JPEG_ALONE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", content, 24)
        return 1 + low_w + (high_w << 16), 1 + low_h + (high_h << 16)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff_size(content: bytes, order: str) -> tuple[int, int]:
    """The size in the first image file directory."""
    (at,) = struct.unpack_from(f"{order}I", content, 4)
    (n_tags,) = struct.unpack_from(f"{order}H", content, at)
    found = {TIFF_WIDTH: 0, TIFF_HEIGHT: 0}
    for k in range(n_tags):
        tag, kind = struct.unpack_from(f"{order}HH", content, at + 2 + 12 * k)
        if tag in found:
            (found[tag],) = struct.unpack_from(
                f"{order}{'H' if kind == TIFF_SHORT else 'I'}", content, at + 10 + 12 * k
            )
    return found[TIFF_WIDTH], found[TIFF_HEIGHT]
