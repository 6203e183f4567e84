"""Films that were taken sideways, upside down or as in a mirror, shown as a player shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_app.contracts.packets import UInt8


def upright(picture: UInt8, frame: Any) -> UInt8:
    """Turn and mirror a picture by its frame's display matrix, to the nearest quarter of a turn.

    Args:
        picture: (H, W, channels).
        frame: what it was decoded from.

    Returns:
        (H, W, channels), or (W, H, channels) after a quarter of a turn.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return picture
    # ISO/IEC 14496-12, 6.2.2: a pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift.
    a, b, _, c, d = (float(number) for number in np.frombuffer(bytes(data), np.int32)[:5])
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
