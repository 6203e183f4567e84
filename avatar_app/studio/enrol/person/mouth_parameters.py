"""The mouth parameters of a person, read from landmarks.

Three things of a person are measured on their recording: the face at rest, the reach of each measurement, and, where
the sound is known, how their mouth moves when the published speech encoder predicts a certain shape. Faces move alike
but not equally: on some a lip gets thinner where it gets thicker on others. The sound tells which movement belongs to
which shape, without any label. The gap between the lips is read from the landmarks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH
from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.enrol.person.alignment import has_face, lip_gap_ratio, neutral_landmarks
from avatar_app.studio.enrol.person.face_crop import MAX_TURN_DEG
from avatar_app.studio.enrol.person.mouth_features import features_of, smoothed_features
from avatar_app.studio.enrol.person.mouth_map import MouthMap, published_map, reach_of, ridge_toward
from avatar_app.studio.mouth import JAW, REST

__all__ = ["PersonMouth", "fit_person", "lip_gap_ratio", "opening_mm", "read_person"]

Float64 = NDArray[np.float64]

MAX_BYTES = 10_000_000
# Pull of the published map while a person's own is learned from the sound, see `ridge_toward`.
SOUND_RIDGE = 0.1
N_MIN_PREDICTED = 250
# Regression on an uncertain prediction moves too little; the movement is enlarged to that of the prediction.
MAX_GAIN = 1.6
OPENERS = [MOUTH_NAMES.index(name) for name in ("jawOpen", "mouthFunnel", "mouthUpperUp", "mouthLowerDown")]


@dataclass(frozen=True)
class PersonMouth:
    """Reads the mouth parameters of one person.

    Attributes:
        neutral_px: (478, 3) float32, the face at rest.
        reach: (21,) float32, how far each measurement moves, see `reach_of`.
        weight: (terms + 1, 14) float32, the map of this person, in place of `MouthMap.weight`.
        gain: (14,) float32, about the mouth at rest.
    """

    neutral_px: Float32
    reach: Float32
    weight: Float32
    gain: Float32

    def parameters(self, landmarks_px: NDArray[np.floating]) -> Float32:
        """Mouth parameters of consecutive pictures, smoothed without lag.

        Args:
            landmarks_px: (n, 478, 3) of pictures or crops; NaN without a face.

        Returns:
            (n, 14) float32 in 0..1, columns `MOUTH_NAMES`. Pictures without a face are interpolated. Nothing of the
            tongue can be seen: its columns are what this mouth's shape suggests.

        Raises:
            StudioError: no picture shows a face.
        """
        ratios = self._ratios(landmarks_px)
        table = published_map()
        raw = REST + self.gain * (table.design(ratios) @ self.weight - REST)
        return np.asarray(with_opening(np.clip(raw, 0, 1), table.target_mm(ratios), table.opening_mm), np.float32)

    def save(self, file: Path) -> None:
        """Write it.

        Raises:
            StudioError: it cannot be written.
        """
        with written(file) as opened:
            np.savez(opened, neutral_px=self.neutral_px, reach=self.reach, weight=self.weight, gain=self.gain)

    def _ratios(self, landmarks_px: NDArray[np.floating]) -> Float64:
        features = smoothed_features(features_of(landmarks_px, self.neutral_px))
        if not np.isfinite(features).all():
            raise StudioError("The video shows no face.", "Record again with your face in front of the camera.")
        return features / self.reach


def fit_person(
    landmarks_px: Sequence[NDArray[np.floating]],
    poses_deg: Sequence[Float32],
    predicted: Sequence[Float32] = (),
) -> PersonMouth:
    """Measure a person on their recordings.

    Args:
        landmarks_px: (n, 478, 3) per recording, NaN without a face.
        poses_deg: (n, 3) per recording, yaw, pitch and roll; pictures with a turned head are ignored.
        predicted: (n, 14) per recording, what the published speech encoder predicts from the sound at the instants of
            the pictures; without it the published map is used as it is.

    Raises:
        StudioError: too few pictures show a face.
    """
    seen = [_ahead(marks, pose) for marks, pose in zip(landmarks_px, poses_deg, strict=True)]
    neutral_px = neutral_landmarks(np.concatenate(seen))
    features = [smoothed_features(features_of(marks, neutral_px)) for marks in seen if has_face(marks).any()]
    reach = reach_of(np.concatenate(features))
    weight, gain = np.asarray(published_map().weight, np.float64), np.ones(N_MOUTH)
    if predicted:
        ratios = np.concatenate([_measured(marks, neutral_px, reach) for marks in seen])
        weight, gain = _fit_to_sound(ratios, np.concatenate(predicted), published_map())
    return PersonMouth(*(np.asarray(part, np.float32) for part in (neutral_px, reach, weight, gain)))


def read_person(file: Path) -> PersonMouth:
    """Read what `PersonMouth.save` wrote.

    Raises:
        StudioError: the file is missing or damaged.
    """
    try:
        return PersonMouth(**read_arrays(file, MAX_BYTES))
    except (InputFileError, TypeError) as error:
        raise StudioError(f"The mouth in {file} cannot be read: {error}.", "Start the enrolment again.") from error


def opening_mm(params: Float32) -> Float32:
    """(n, 14) mouth parameters to the gap between the lips of the rendered head in millimetres, (n,)."""
    return np.asarray(params @ published_map().opening_mm, np.float32)


def _ahead(landmarks_px: NDArray[np.floating], pose_deg: Float32) -> Float64:
    """The landmarks, NaN where the head is turned away."""
    kept = np.asarray(landmarks_px, np.float64).copy()
    kept[(np.abs(pose_deg) > MAX_TURN_DEG).any(axis=1)] = np.nan
    return kept


def _measured(landmarks_px: Float64, neutral_px: Float64, reach: Float64) -> Float64:
    """(n, 21) measurements over their reach; NaN where no face was found."""
    features = features_of(landmarks_px, neutral_px)
    is_seen = np.isfinite(features).all(axis=1)
    if is_seen.any():
        features[is_seen] = smoothed_features(features)[is_seen]
    return np.asarray(features / reach)


def _fit_to_sound(ratios: Float64, predicted: Float32, table: MouthMap) -> tuple[Float64, Float64]:
    """Weights (terms + 1, 14) and gain (14,) that follow the prediction; the published ones if it is short."""
    is_seen = np.isfinite(ratios).all(axis=1)
    prior = np.asarray(table.weight, np.float64)
    if is_seen.sum() < N_MIN_PREDICTED:
        return prior, np.ones(N_MOUTH)
    design, wanted = table.design(ratios[is_seen]), predicted[is_seen]
    weight = ridge_toward(design, wanted, prior, SOUND_RIDGE)
    spread = np.maximum((design @ weight).std(axis=0), 1e-6)
    return weight, np.clip(wanted.std(axis=0) / spread, 1.0, MAX_GAIN)


def with_opening(params: Float64, target_mm: Float64, mm: Float32) -> Float64:
    """Change the parameters so that their opening is the one that was measured: the jaw first, then all that opens."""
    result = params.copy()
    result[:, JAW] = np.clip(result[:, JAW] + (target_mm - result @ mm) / mm[JAW], 0, 1)
    opened_mm = result[:, OPENERS] @ mm[OPENERS]
    # What is left after the jaw: the opening of the other parameters.
    excess_mm = np.maximum(result @ mm - target_mm, 0)
    share = np.clip(1 - excess_mm / np.maximum(opened_mm, 1e-6), 0, 1)
    result[:, OPENERS] *= share[:, None]
    return result
