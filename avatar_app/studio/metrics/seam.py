"""The border between a generated mouth and the face that it is pasted on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.live.frame.picture_renderer import light_difference

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


def pasted(crop: UInt8, mouth: UInt8, mask: UInt8, rest: UInt8) -> UInt8:
    """A face crop with a generated mouth, as the live path pastes it.

    Args:
        crop: (h, w, 3) uint8 BGR, the face.
        mouth: (h, w, 3) uint8 BGR, counts where the mask is not 0.
        mask: (h, w) uint8, 255 where the mouth replaces the face.
        rest: (h, w, 3) uint8 BGR, the face at rest in the light of the generated mouths.

    Returns:
        (h, w, 3) uint8 BGR.
    """
    tint = light_difference(crop, rest, (mask > 0).astype(np.float32))
    tint = cv2.resize(tint, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR)
    share = mask.astype(np.float32)[:, :, None] / 255
    mixed = crop + (np.clip(mouth + tint, 0, 255) - crop) * share
    face: UInt8 = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
    return face


def seam_ratio(generated: Sequence[UInt8], expected: Sequence[UInt8], mask: UInt8) -> float:
    """Gradient across the border of the mask, relative to that of the true faces; 1 means that no edge was added.

    Args:
        generated: (h, w, 3) uint8 BGR faces with pasted mouths.
        expected: the same faces as recorded.
        mask: (h, w) uint8, feathered.
    """
    across = _normal(mask)
    steps = [sum(_step_across(face, across) for face in faces) for faces in (generated, expected)]
    return float(steps[0] / max(steps[1], 1e-6))


def _normal(mask: UInt8) -> Float32:
    """(2, h, w) float32: the direction across the border, as long as the mask is steep; 0 elsewhere."""
    soft = mask.astype(np.float32) / 255
    return np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)])


def _step_across(face: UInt8, across: Float32) -> float:
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).astype(np.float32)
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0) * across[0] + cv2.Sobel(grey, cv2.CV_32F, 0, 1) * across[1]
    return float(np.abs(slope).mean())
