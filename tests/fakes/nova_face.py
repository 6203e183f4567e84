"""Nova's face with its landmarks, as the face tracker finds them, so that tests need no tracker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.fakes.webcam import portrait

SIZE_PX = 480
# Landmarks (478, 3) of `portrait(0)`, stored with two decimals.
LANDMARKS_FILE = Path(__file__).with_name("nova_landmarks.npz")


def face():
    """Picture (480, 480, 3) uint8 BGR, and landmarks (478, 3) float32."""
    with np.load(LANDMARKS_FILE) as data:
        return portrait(0, SIZE_PX), data["landmarks_px"]


def mirrored(picture, landmarks):
    """As a selfie camera shows a face; the landmarks keep the sides of the picture."""
    return np.ascontiguousarray(picture[:, ::-1]), _swapped(landmarks * (-1, 1, 1) + (picture.shape[1] - 1, 0, 0))


def _swapped(landmarks):
    """The face mesh of the mirrored face: each landmark takes the place of its nearest mirror image."""
    middle = (landmarks[33, 0] + landmarks[263, 0]) / 2
    flipped = landmarks * (-1, 1, 1) + (2 * middle, 0, 0)
    nearest = np.linalg.norm(landmarks[:, None, :2] - flipped[None, :, :2], axis=2).argmin(axis=1)
    return landmarks[nearest].astype(np.float32)
