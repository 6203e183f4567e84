"""Faces and their landmarks, by mediapipe: the only module that knows it. Used in the tracker's process alone."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.webcam.face_choice import Box, box_of, is_same, main_face
from avatar_app.live.webcam.package import package_dir

# What mediapipe imports at its start and tracking never calls.
UNUSED = ("matplotlib", "matplotlib.pyplot", "jax", "jax.numpy", "jaxlib", "sounddevice", "sentencepiece")
# The detector sees to it twice a second that the tracked face is still one, and still the main one.
CHECK_EVERY = 15
N_MISSED_CHECKS = 3
# Confidence in a face that the detector does not see, while its landmarks are still followed.
UNSEEN_CONFIDENCE = 0.5
MASK_GREY = 127


def import_mediapipe() -> Any:
    """Import mediapipe out of its folder, without what it does not need.

    Raises:
        ImportError: it is not there, or not made for this machine.
    """
    if str(package_dir()) not in sys.path:
        # Before all others: protobuf lies there in the version that mediapipe was made for.
        sys.path.insert(0, str(package_dir()))
    for name in UNUSED:
        sys.modules.setdefault(name, types.ModuleType(name))
    import mediapipe

    return mediapipe


class Landmarks:
    """Follows one face, the largest and most central one. Thread: one.

    Raises:
        ImportError: mediapipe is not there.
    """

    def __init__(self) -> None:
        solutions = import_mediapipe().solutions
        self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
        self._detector = solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5)
        self._n_since_check = 0
        self._n_missed = 0
        self._box: Box | None = None
        self._confidence = 0.0

    def track(self, bgr: UInt8) -> tuple[Float32, float] | None:
        """Find the face in the next picture.

        Args:
            bgr: (H, W, 3) uint8.

        Returns:
            (478, 3) float32 landmarks in pixels, and the confidence 0..1; None without a face.
        """
        rgb: UInt8 = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        self._n_since_check += 1
        if self._box is None or self._n_since_check >= CHECK_EVERY:
            rgb = self._check(rgb)
        if self._box is None:
            return None
        found = self._mesh.process(rgb).multi_face_landmarks
        if not found:
            self._box = None
            return None
        height, width = bgr.shape[:2]
        ratios = np.array([(mark.x, mark.y, mark.z) for mark in found[0].landmark], np.float32)
        self._box = box_of(ratios)
        return ratios * np.array([width, height, width], np.float32), self._confidence

    def close(self) -> None:
        """Give all back."""
        self._mesh.close()
        self._detector.close()

    def _check(self, rgb: UInt8) -> UInt8:
        """Look for faces; the picture that the mesh is to see: without the others when it has to begin anew."""
        self._n_since_check = 0
        faces = self._detect(rgb)
        best = main_face([box for box, _ in faces], self._box)
        if best is None:
            self._n_missed += 1
            self._confidence = UNSEEN_CONFIDENCE
            if self._n_missed >= N_MISSED_CHECKS:
                self._box = None
            return rgb
        self._n_missed = 0
        self._confidence = dict(faces)[best]
        if self._box is not None and is_same(best, self._box):
            return rgb
        self._mesh.reset()
        self._box = best
        return _without(rgb, [box for box, _ in faces if box != best])

    def _detect(self, rgb: UInt8) -> list[tuple[Box, float]]:
        found: Sequence[Any] = self._detector.process(rgb).detections or ()
        return [(_box(one.location_data.relative_bounding_box), min(1.0, float(one.score[0]))) for one in found]


def _box(relative: Any) -> Box:
    return Box(relative.xmin, relative.ymin, relative.xmin + relative.width, relative.ymin + relative.height)


def _without(rgb: UInt8, boxes: Sequence[Box]) -> UInt8:
    """The same picture, in which some faces are painted over."""
    height, width = rgb.shape[:2]
    for box in boxes:
        shares = np.clip([box.left, box.top, box.right, box.bottom], 0, 1)
        left, top, right, bottom = (shares * [width, height, width, height]).astype(int)
        rgb[top:bottom, left:right] = MASK_GREY
    return rgb
