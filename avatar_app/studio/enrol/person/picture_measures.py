"""Measures of every picture of a recording, from which `checks` decides what can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.webcam import recording_checks
from avatar_app.live.webcam.face import measure_face
from avatar_app.live.webcam.recording_checks import FacePatch, face_patch, filled
from avatar_app.live.webcam.rigid import RigidFace
from avatar_app.studio.enrol.person.alignment import lip_gap_ratio
from avatar_app.studio.enrol.person.material import FaceTrack, Take
from avatar_app.studio.enrol.person.takes import Progress

# Outlines in the face mesh.
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
# Centres of the cheeks and beside the nose.
CHEEKS = (50, 280, 205, 425)
CHEEK_RADIUS_PX = 2
# The skin around the lips, as a scale of their outline, and the gap between both in pixels of the patch.
SKIN_SCALE, SKIN_GAP_PX = 1.6, 5
# Lids and the skin around them.
LIDS_PX = 9


@dataclass(frozen=True)
class PictureMeasures:
    """Measures of each picture, (n,) float32; NaN without a face.

    Attributes:
        n_faces: faces that are large enough to matter.
        eyes_px: distance between the outer corners of the eyes.
        bright: grey level of the brightest tenth of the face, 0..255.
        side_ratio: brightness of the brighter side of the face over that of the other.
        sharpness: see `recording_checks.sharpness`.
        yaw_deg: of the head, see `Face`.
        pitch_deg: of the head, see `Face`.
        opening: see `alignment.lip_gap_ratio`.
        lips_contrast: colour distance of the lips from the skin around them, CIE76 in L*a*b*.
        eyes_level: lightness (L*) of eyes and lids, relative to the cheeks.
    """

    n_faces: Float32
    eyes_px: Float32
    bright: Float32
    side_ratio: Float32
    sharpness: Float32
    yaw_deg: Float32
    pitch_deg: Float32
    opening: Float32
    lips_contrast: Float32
    eyes_level: Float32


def measure_pictures(take: Take, track: FaceTrack, progress: Progress = lambda n_done, n_all: None) -> PictureMeasures:
    """Measure every picture of a take.

    Args:
        take: the recording.
        track: its landmarks.
        progress: called after each picture.
    """
    model, n_all = RigidFace(), len(take.pictures)
    rows = np.full((n_all, 8), np.nan, np.float32)
    for k, landmarks_px in enumerate(track.landmarks_px):
        if np.isfinite(landmarks_px).all():
            face = measure_face(landmarks_px, model)
            rows[k] = *_appearance(np.asarray(take.pictures[k]), landmarks_px), face.yaw_deg, face.pitch_deg
        progress(k + 1, n_all)
    eyes_px, bright, side_ratio, sharpness, lips_contrast, eyes_level, yaw_deg, pitch_deg = rows.T
    return PictureMeasures(
        n_faces=track.n_faces.astype(np.float32),
        eyes_px=eyes_px,
        bright=bright,
        side_ratio=side_ratio,
        sharpness=sharpness,
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        opening=lip_gap_ratio(track.landmarks_px),
        lips_contrast=lips_contrast,
        eyes_level=eyes_level,
    )


def joined(parts: Sequence[PictureMeasures]) -> PictureMeasures:
    """The measures of several takes, one after the other."""
    names = [field.name for field in fields(PictureMeasures)]
    return PictureMeasures(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _appearance(bgr: UInt8, landmarks_px: Float32) -> tuple[float, ...]:
    """Distance of the eyes, brightness, side ratio, sharpness, contrast of the lips, level of the eyes."""
    eyes_px = recording_checks.eyes_distance_px(landmarks_px)
    patch = face_patch(bgr, landmarks_px)
    if patch is None:
        return (np.nan,) * 6
    lab = np.asarray(cv2.cvtColor(patch.bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), np.float32)
    return (
        eyes_px,
        recording_checks.bright_level(patch),
        recording_checks.side_ratio(patch),
        recording_checks.sharpness(patch),
        _lips_contrast(lab, patch),
        _eyes_level(lab[..., 0], patch),
    )


def _lips_contrast(lab: Float32, patch: FacePatch) -> float:
    shape = lab.shape[0], lab.shape[1]
    outline = patch.points_px[list(LIPS_OUTER)]
    lips = filled(outline, shape)
    around = filled((outline - outline.mean(axis=0)) * SKIN_SCALE + outline.mean(axis=0), shape)
    is_skin = (around > 0) & (_grown(lips, SKIN_GAP_PX) == 0)
    is_lips = (lips > 0) & (filled(patch.points_px[list(LIPS_INNER)], shape) == 0)
    if not is_skin.any() or not is_lips.any():
        return float("nan")
    return float(np.linalg.norm(np.median(lab[is_lips], axis=0) - np.median(lab[is_skin], axis=0)))


def _eyes_level(lightness: Float32, patch: FacePatch) -> float:
    shape = lightness.shape[0], lightness.shape[1]
    eyes = np.maximum(*(filled(patch.points_px[list(eye)], shape) for eye in EYES))
    near = lightness[_grown(eyes, LIDS_PX) > 0]
    cheeks = [_around(lightness, patch.points_px[k]) for k in CHEEKS]
    skin = np.concatenate([cheek.ravel() for cheek in cheeks])
    if not near.size or not skin.size:
        return float("nan")
    return float(np.median(near) / max(float(np.median(skin)), 1.0))


def _around(values: Float32, point_px: Float32) -> Float32:
    x, y = np.round(point_px).astype(int)
    top, left = max(0, y - CHEEK_RADIUS_PX), max(0, x - CHEEK_RADIUS_PX)
    return values[top : y + CHEEK_RADIUS_PX + 1, left : x + CHEEK_RADIUS_PX + 1]


def _grown(mask: UInt8, size_px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(mask, np.ones((size_px, size_px), np.uint8)), np.uint8)
