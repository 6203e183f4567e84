"""Measures head pose, gaze, lids and brows on 478 landmarks, before calibration and smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.live.webcam.rigid import RIGID_IDS, Floats, RigidFace, RigidFit, direction_angles_deg

N_LANDMARKS = 478
# An opening jaw shifts the whole mesh, which looks like a raised head: degrees of pitch per opening of the mouth, in
# units of the distance between the outer corners of the eyes, measured on clips of a speaking head that keeps still.
MOUTH_PITCH_DEG = 7.0
UPPER_LIP, LOWER_LIP = 13, 14
# Distance of the eyeball's centre behind the line between the corners of the eye; makes gaze independent of head pose.
EYEBALL_DEPTH_CM = 1.25
EYEBALL_RADIUS_CM = 1.2
# The iris of the mesh moves less than the eye.
GAZE_GAIN = 1.2


@dataclass(frozen=True, slots=True)
class EyeIds:
    """Landmark indices of one eye."""

    outer: int
    inner: int
    iris: int
    upper_lid: tuple[int, ...]
    lower_lid: tuple[int, ...]
    brow: tuple[int, ...]


LEFT = EyeIds(33, 133, 468, (158, 159, 160), (144, 145, 153), (66, 105, 107))
RIGHT = EyeIds(263, 362, 473, (385, 386, 387), (373, 374, 380), (296, 334, 336))


@dataclass(frozen=True, slots=True)
class Face:
    """Measurements of one face; signs as in `contracts.head_pose`, left and right of the picture.

    Attributes:
        yaw_deg, pitch_deg, roll_deg: of the head, relative to the camera's line of sight.
        gaze_yaw_deg, gaze_pitch_deg: of the eyes within the head, mean of both.
        lids_left_cm, lids_right_cm: distance between the lids, on a face with 9 cm between the outer eye corners.
        brow_cm: height of the brows above the eyes, on the same face.
        error_cm: residual of the rigid model, see `RigidFit`.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    gaze_yaw_deg: float
    gaze_pitch_deg: float
    lids_left_cm: float
    lids_right_cm: float
    brow_cm: float
    error_cm: float


def measure_face(landmarks_px: NDArray[np.floating], model: RigidFace) -> Face:
    """Measure one face.

    Args:
        landmarks_px: (478, 2) or (478, 3) in pixels, of the face mesh with iris.
        model: the rigid model.

    Returns:
        The measurements.
    """
    points: Floats = np.asarray(landmarks_px[:, :2], np.float64)
    fit = model.fit(points[RIGID_IDS])
    yaw, pitch, roll = fit.angles_deg
    eyes_px = float(np.linalg.norm(points[RIGHT.outer] - points[LEFT.outer]))
    mouth = float(np.linalg.norm(points[LOWER_LIP] - points[UPPER_LIP])) / max(eyes_px, 1e-9)
    gaze = np.mean([_gaze_deg(points, eye, fit) for eye in (LEFT, RIGHT)], axis=0) * GAZE_GAIN
    return Face(
        yaw_deg=yaw,
        pitch_deg=pitch + MOUTH_PITCH_DEG * mouth,
        roll_deg=roll,
        gaze_yaw_deg=float(gaze[0]),
        gaze_pitch_deg=float(gaze[1]),
        lids_left_cm=_lids_cm(points, LEFT, fit),
        lids_right_cm=_lids_cm(points, RIGHT, fit),
        brow_cm=float(np.mean([_brow_cm(points, eye, fit) for eye in (LEFT, RIGHT)])),
        error_cm=fit.error_cm,
    )


def _gaze_deg(points: Floats, eye: EyeIds, fit: RigidFit) -> tuple[float, float]:
    """Yaw and pitch of one eye within the head, from the position of the iris on the eyeball."""
    centre = (points[eye.outer] + points[eye.inner]) / 2
    centre = centre + fit.px_per_cm * EYEBALL_DEPTH_CM * fit.rotation[:2, 2]
    across = (points[eye.iris] - centre) / (fit.px_per_cm * EYEBALL_RADIUS_CM)
    depth = -np.sqrt(max(0.0, 1 - float(across @ across)))
    direction = fit.rotation.T @ np.array([across[0], across[1], depth])
    return direction_angles_deg(direction / np.linalg.norm(direction))


def _lids_cm(points: Floats, eye: EyeIds, fit: RigidFit) -> float:
    gap = points[list(eye.upper_lid)].mean(axis=0) - points[list(eye.lower_lid)].mean(axis=0)
    return float(np.linalg.norm(gap)) / fit.px_per_cm


def _brow_cm(points: Floats, eye: EyeIds, fit: RigidFit) -> float:
    down = fit.rotation[:2, 1] / np.linalg.norm(fit.rotation[:2, 1])
    height = (points[eye.outer] + points[eye.inner]) / 2 - points[list(eye.brow)].mean(axis=0)
    return float(height @ down) / fit.px_per_cm
