"""How the light on a turned face differs from that at rest, and where the face at rest can be seen at all."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.studio.enrol.pose_carry import Crop

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

LIGHT_PX = 10.0
SEEN_PX = 4.0
# Grey levels: what differs less is the same skin, what differs more is hair or background in front of it.
SAME, OTHER = 9.0, 22.0
# No light changes skin by more than this when a head turns: it is hair or background.
MOST_LIGHT = 70.0


def light_and_trust(rest: UInt8, turned: UInt8, crop: Crop) -> tuple[Float32, Float32]:
    """Compare a turned face with the one at rest.

    Args:
        rest: (size, size, 3) uint8 BGR, the crop.
        turned: the same pixels as the turned head shows them.
        crop: the crop.

    Returns:
        (size, size, 3) float32 to be added to colours at rest, and (size, size) float32, 0..1: is the place seen?
    """
    change = turned.astype(np.float32) - rest
    heard = _away_from_eyes(crop)
    trust = np.ones_like(heard)
    for _ in range(3):
        share = heard * trust + 1e-3
        light = cv2.GaussianBlur(change * share[:, :, None], (0, 0), LIGHT_PX)
        light /= cv2.GaussianBlur(share, (0, 0), LIGHT_PX)[:, :, None]
        rest_of_it = cv2.GaussianBlur(np.abs(change - light).mean(axis=2) * heard, (0, 0), SEEN_PX)
        rest_of_it /= np.maximum(cv2.GaussianBlur(heard, (0, 0), SEEN_PX), 0.2)
        is_light = np.clip((MOST_LIGHT - np.abs(light).mean(axis=2)) / MOST_LIGHT * 3, 0, 1)
        trust = (np.clip((OTHER - rest_of_it) / (OTHER - SAME), 0, 1) * is_light).astype(np.float32)
    return light, np.maximum(trust, 1 - _away_from_eyes(crop, 1.6))


def _away_from_eyes(crop: Crop, scale: float = 1.0) -> Float32:
    """(size, size) float32: 0 on the eyes, which are in sight at every pose, but need not look the same way."""
    y, x = np.mgrid[: crop.size_px, : crop.size_px].astype(np.float32)
    away = np.ones_like(x)
    for eye_x, eye_y in crop.eyes:
        away *= 1 - np.exp(-(((x - eye_x) / (24 * scale)) ** 4) - ((y - eye_y) / (13 * scale)) ** 4)
    return np.asarray(away, np.float32)
