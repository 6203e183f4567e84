"""The mask of the mouth patch, fitted to the jaw of a person."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.studio.enrol.mask import RENDERED_HEAD, MaskShape, Point

# Landmarks of mediapipe's face mesh: the outline of the jaw from the ear down, left and right in the picture. On the
# rendered head, their line is the one that was measured there, within three pixels.
LEFT_JAW, RIGHT_JAW = (132, 58, 172, 136), (361, 288, 397, 365)
MOUTH_CORNERS = (61, 291)
# The ellipse must stay inside the patch.
MAX_SHIFT_PX = 20.0


def person_mask_shape(neutral_px: Float32) -> MaskShape:
    """The mask's limits for a person.

    Args:
        neutral_px: (478, 3) landmarks of the face at rest, in pixels of the 256 px crop.
    """
    centre_x = float(neutral_px[MOUTH_CORNERS, 0].mean())
    x, y = RENDERED_HEAD.centre
    centre = (float(np.clip(centre_x, x - MAX_SHIFT_PX, x + MAX_SHIFT_PX)), y)
    return MaskShape(centre, RENDERED_HEAD.radii, _line(neutral_px[LEFT_JAW, :2]), _line(neutral_px[RIGHT_JAW, :2]))


def _line(points_px: Float32) -> tuple[Point, Point]:
    """The line that fits points best, as its places at the height of the first and of the last point."""
    slope, offset = np.polyfit(points_px[:, 1], points_px[:, 0], 1)
    top, low = float(points_px[0, 1]), float(points_px[-1, 1])
    return (float(slope * top + offset), top), (float(slope * low + offset), low)
