"""Applies the rotation metadata of a video (its display matrix), as players do."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_app.contracts.packets import UInt8


def apply_rotation(picture: UInt8, frame: Any) -> UInt8:
    """Rotate and mirror a picture by the display matrix of its frame, to the nearest quarter turn.

    Args:
        picture: (H, W, channels).
        frame: the decoded frame of the picture.

    Returns:
        (H, W, channels), or (W, H, channels) after a quarter turn.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return picture
    # ISO/IEC 14496-12, 6.2.2: a pixel at (x, y) is displayed at (a x + c y, b x + d y), up to a shift.
    a, b, _, c, d = (float(number) for number in np.frombuffer(bytes(data), np.int32)[:5])
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
