"""The user's neutral pose: what counts as straight ahead, with open eyes and brows at rest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.face import Face

CALIBRATION_S = 3.0
# Time without a face does not count; a step from one face to the next counts no more than this.
MAX_STEP_S = 0.2
N_MIN_FACES = 20
N_MAX_FACES = 512


@dataclass(frozen=True, slots=True)
class Neutral:
    """Measures of a face at rest, in the units of `Face`; as they come, those of an average face."""

    yaw_deg: float = 0.0
    pitch_deg: float = 4.0
    roll_deg: float = 0.0
    gaze_yaw_deg: float = 0.0
    gaze_pitch_deg: float = -7.0
    lids_left_cm: float = 0.8
    lids_right_cm: float = 0.8
    brow_cm: float = 2.4


FIELDS = tuple(Neutral.__dataclass_fields__)


class Calibration:
    """Gathers faces for three seconds; the medians are the neutral pose, so that blinks do not matter. Thread: one."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, ...]] = deque(maxlen=N_MAX_FACES)
        self._t_last_ns: int | None = None
        self._seen_ns = 0

    @property
    def ratio(self) -> float:
        """How much of it is done, 0..1."""
        return min(1.0, self._seen_ns / s_to_ns(CALIBRATION_S), len(self._rows) / N_MIN_FACES)

    def feed(self, face: Face | None, t_ns: int) -> Neutral | None:
        """Take what one picture showed; the neutral pose as soon as enough was seen."""
        if face is None:
            self._t_last_ns = None
            return None
        if self._t_last_ns is not None:
            self._seen_ns += min(max(0, t_ns - self._t_last_ns), s_to_ns(MAX_STEP_S))
        self._t_last_ns = t_ns
        self._rows.append(tuple(getattr(face, name) for name in FIELDS))
        if self.ratio < 1:
            return None
        return Neutral(*(float(value) for value in np.median(np.array(self._rows), axis=0)))
