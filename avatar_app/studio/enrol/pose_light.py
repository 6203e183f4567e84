"""Change of light on a turned face against the face at rest, and visibility of the face at rest."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.studio.enrol.pose_correspondence import Crop

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

LIGHT_PX = 10.0
SEEN_PX = 4.0
# Grey levels: a smaller difference means the same skin, a larger one means hair or background in front of it.
SAME, OTHER = 9.0, 22.0
# Turning changes the light on skin by at most this; a larger change means hair or background.
MOST_LIGHT = 70.0


def light_and_visibility(rest: UInt8, turned: UInt8, crop: Crop) -> tuple[Float32, Float32]:
    """Compare a turned face with the one at rest.

    Args:
        rest: (size, size, 3) uint8 BGR, the crop.
        turned: the same points of the face, sampled from the turned head.
        crop: the crop.

    Returns:
        (size, size, 3) float32 to add to the colours at rest, and (size, size) float32 in 0..1: visibility.
    """
    change = turned.astype(np.float32) - rest
    weight = _away_from_eyes(crop)
    visibility = np.ones_like(weight)
    for _ in range(3):
        share = weight * visibility + 1e-3
        light = cv2.GaussianBlur(change * share[:, :, None], (0, 0), LIGHT_PX)
        light /= cv2.GaussianBlur(share, (0, 0), LIGHT_PX)[:, :, None]
        residual = cv2.GaussianBlur(np.abs(change - light).mean(axis=2) * weight, (0, 0), SEEN_PX)
        residual /= np.maximum(cv2.GaussianBlur(weight, (0, 0), SEEN_PX), 0.2)
        is_light = np.clip((MOST_LIGHT - np.abs(light).mean(axis=2)) / MOST_LIGHT * 3, 0, 1)
        visibility = (np.clip((OTHER - residual) / (OTHER - SAME), 0, 1) * is_light).astype(np.float32)
    return light, np.maximum(visibility, 1 - _away_from_eyes(crop, 1.6))


def _away_from_eyes(crop: Crop, scale: float = 1.0) -> Float32:
    """(size, size) float32: 0 on the eyes, which are visible in every pose but may have another gaze."""
    y, x = np.mgrid[: crop.size_px, : crop.size_px].astype(np.float32)
    away = np.ones_like(x)
    for eye_x, eye_y in crop.eyes:
        away *= 1 - np.exp(-(((x - eye_x) / (24 * scale)) ** 4) - ((y - eye_y) / (13 * scale)) ** 4)
    return np.asarray(away, np.float32)
