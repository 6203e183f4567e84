"""Face detection and landmarks by mediapipe, which is imported here alone, and only in processes of its own."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.webcam.face_choice import Box, box_of, is_same, main_face, n_large
from avatar_app.live.webcam.package import package_dir

# Packages that mediapipe imports but tracking does not use.
UNUSED = ("matplotlib", "matplotlib.pyplot", "jax", "jax.numpy", "jaxlib", "sounddevice", "sentencepiece")
# Twice a second the detector checks that the tracked face is still a face, and still the main one.
CHECK_INTERVAL_FRAMES = 15
N_MISSED_CHECKS = 3
# Confidence in a face that the detector does not find while its landmarks are still tracked.
UNDETECTED_CONFIDENCE = 0.5
MASK_GREY = 127


def import_mediapipe() -> Any:
    """Import mediapipe from its folder, with stubs for packages that tracking does not use.

    Raises:
        ImportError: it is missing, or not built for this machine.
    """
    if str(package_dir()) not in sys.path:
        # First in the path: the folder has the version of protobuf that mediapipe needs.
        sys.path.insert(0, str(package_dir()))
    for name in UNUSED:
        sys.modules.setdefault(name, types.ModuleType(name))
    import mediapipe

    return mediapipe


class Landmarks:
    """Tracks one face, the largest and most central one. Thread: one.

    Args:
        check_interval_frames: pictures from one check by the detector to the next.

    Attributes:
        n_faces: faces at the last check that are large enough to matter.

    Raises:
        ImportError: mediapipe is missing.
    """

    def __init__(self, check_interval_frames: int = CHECK_INTERVAL_FRAMES) -> None:
        solutions = import_mediapipe().solutions
        self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
        self._detector = solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5)
        self._interval_frames = check_interval_frames
        self._max_missed_frames = N_MISSED_CHECKS * CHECK_INTERVAL_FRAMES
        self._n_since_check = 0
        self._n_missed_frames = 0
        self.n_faces = 0
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
        if self._box is None or self._n_since_check >= self._interval_frames:
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
        """Close the models."""
        self._mesh.close()
        self._detector.close()

    def _check(self, rgb: UInt8) -> UInt8:
        """Detect faces and select one.

        Returns:
            The picture for the mesh; when the mesh starts with another face, the other faces are masked.
        """
        self._n_since_check = 0
        faces = self._detect(rgb)
        best = main_face([box for box, _ in faces], self._box)
        if best is None:
            self._n_missed_frames += self._interval_frames
            self._confidence = UNDETECTED_CONFIDENCE
            if self._n_missed_frames >= self._max_missed_frames:
                self._box = None
            return rgb
        self._n_missed_frames = 0
        self.n_faces = n_large([box for box, _ in faces], best)
        self._confidence = dict(faces)[best]
        if self._box is not None and is_same(best, self._box):
            return rgb
        self._mesh.reset()
        self._box = best
        return _masked(rgb, [box for box, _ in faces if box != best])

    def _detect(self, rgb: UInt8) -> list[tuple[Box, float]]:
        found: Sequence[Any] = self._detector.process(rgb).detections or ()
        return [(_box(one.location_data.relative_bounding_box), min(1.0, float(one.score[0]))) for one in found]


def _box(relative: Any) -> Box:
    return Box(relative.xmin, relative.ymin, relative.xmin + relative.width, relative.ymin + relative.height)


def _masked(rgb: UInt8, boxes: Sequence[Box]) -> UInt8:
    """Fill boxes of a picture with grey."""
    height, width = rgb.shape[:2]
    for box in boxes:
        ratios = np.clip([box.left, box.top, box.right, box.bottom], 0, 1)
        left, top, right, bottom = (ratios * [width, height, width, height]).astype(int)
        rgb[top:bottom, left:right] = MASK_GREY
    return rgb
