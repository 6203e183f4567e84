"""Landmarks of two rendered clips with their known mouth parameters, as the face tracker finds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fakes.nova_face import face

FILE = Path(__file__).with_name("rendered_mouths.npz")
UNITS_PER_PX = 120


@dataclass(frozen=True)
class Mouths:
    """Landmarks (150, 478, 3) of consecutive pictures; those that nothing reads are 0. Parameters (150, 14)."""

    landmarks_px: np.ndarray
    params: np.ndarray


def mouths(which):
    """The clip to `learn` a person from, or the `test` clip."""
    with np.load(FILE) as data:
        stored, ids, params = data[f"{which}_landmarks"], data["ids"], data[f"{which}_params"]
    landmarks_px = np.zeros((len(stored), 478, 3), np.float32)
    landmarks_px[:, ids] = stored / np.float32(UNITS_PER_PX)
    return Mouths(landmarks_px, params.astype(np.float32))


def mirrored_mouths(landmarks_px):
    """As a selfie camera shows them; the landmarks keep the sides of the picture."""
    _, points = face()
    middle = (points[33, 0] + points[263, 0]) / 2
    flipped = points * (-1, 1, 1) + (2 * middle, 0, 0)
    partner = np.linalg.norm(points[:, None, :2] - flipped[None, :, :2], axis=2).argmin(axis=1)
    return (landmarks_px * (-1, 1, 1) + (255, 0, 0))[:, partner].astype(np.float32)
