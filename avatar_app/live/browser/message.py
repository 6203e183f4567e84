"""A picture as bytes for the page: colours as JPEG, alpha lossless, run-length encoded.

Measured for 512x512 on one core: 0.6 ms for the JPEG, 0.2 ms for the runs; PNG takes 13 ms, lossless WebP 100 ms,
lossy WebP with alpha 20 ms. Every picture carries its whole alpha, so any of them may be dropped.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from avatar_app.contracts.errors import InternalError
from avatar_app.contracts.packets import Picture, UInt8

# Index, width, height, number of runs, 4 bytes of padding; little-endian.
HEADER = struct.Struct("<IHHII")
# 90 takes as long and is 0.3 dB worse; bandwidth is no limit on the loopback interface.
QUALITY = 95
# Block size of JPEG with 4:2:0 chroma subsampling.
BLOCK_PX = 16
FILL_BLOCKS = 1.0


def encode(picture: Picture) -> bytes:
    """Encode a picture once for all viewers.

    Args:
        picture: (H, W, 4) BGRA, straight alpha, at most 65535 pixels wide and high.

    Returns:
        `HEADER`, lengths of the runs of alpha (u16), their values (u8), JPEG. Runs end at the end of a row.
    """
    height, width = picture.pixels.shape[:2]
    alpha = cv2.extractChannel(picture.pixels, 3)
    lengths, values = runs(alpha)
    header = HEADER.pack(picture.index & 0xFFFFFFFF, width, height, len(values), 0)
    return b"".join((header, lengths.tobytes(), values.tobytes(), _jpeg(picture.pixels, alpha)))


def runs(alpha: UInt8) -> tuple[np.ndarray, UInt8]:
    """Run-length encode alpha (H, W).

    Returns:
        (n,) little-endian uint16 lengths and (n,) uint8 values.
    """
    flat = alpha.reshape(-1)
    is_start = np.empty(flat.size, dtype=bool)
    np.not_equal(flat[1:], flat[:-1], out=is_start[1:])
    is_start[:: alpha.shape[1]] = True
    starts = np.flatnonzero(is_start)
    return np.diff(starts, append=flat.size).astype("<u2"), flat[starts]


def extend(colours: UInt8, alpha: UInt8) -> UInt8:
    """Extend the colours of the edge under transparent pixels: JPEG would mix any other colour into the edge.

    Args:
        colours: (H, W, 3); pixels under alpha 0 are ignored.
        alpha: (H, W).

    Returns:
        (H, W, 3), changed under alpha 0 only.
    """
    outside = cv2.compare(alpha, 0, cv2.CMP_EQ)
    if not outside.any():
        return colours
    height, width = alpha.shape
    cells = (-(-width // BLOCK_PX), -(-height // BLOCK_PX))
    inside = cv2.bitwise_not(outside)
    total = cv2.resize(cv2.bitwise_and(colours, colours, mask=inside), cells, interpolation=cv2.INTER_AREA)
    count = cv2.resize(inside, cells, interpolation=cv2.INTER_AREA)
    total_wide = cv2.GaussianBlur(total.astype(np.float32), (0, 0), FILL_BLOCKS)
    count_wide = cv2.GaussianBlur(count.astype(np.float32), (0, 0), FILL_BLOCKS)
    mean = np.minimum(255, 255 * total_wide / np.maximum(count_wide, 1)[:, :, None]).astype(np.uint8)
    filled: UInt8 = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(colours, inside, filled)
    return filled


def _jpeg(pixels: UInt8, alpha: UInt8) -> bytes:
    colours = extend(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), alpha)
    is_done, content = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not is_done:
        raise InternalError("a picture could not be encoded as JPEG")
    return bytes(content)
