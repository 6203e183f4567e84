"""Calibration of the user's neutral pose: head straight ahead, eyes open, brows at rest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.fields import Within, check_fields, problem
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.face import Face

CALIBRATION_S = 3.0
# Time without a face does not count; between two pictures at most this much counts.
MAX_STEP_S = 0.2
N_MIN_FACES = 20
N_MAX_FACES = 512


@dataclass(frozen=True, slots=True)
class NeutralPose:
    """Measurements of a face at rest, in the units of `Face`; the defaults are those of an average face."""

    yaw_deg: Annotated[float, Within(-90, 90)] = 0.0
    pitch_deg: Annotated[float, Within(-90, 90)] = 4.0
    roll_deg: Annotated[float, Within(-180, 180)] = 0.0
    gaze_yaw_deg: Annotated[float, Within(-90, 90)] = 0.0
    gaze_pitch_deg: Annotated[float, Within(-90, 90)] = -7.0
    lids_left_cm: Annotated[float, Within(0, 10)] = 0.8
    lids_right_cm: Annotated[float, Within(0, 10)] = 0.8
    brow_cm: Annotated[float, Within(-10, 20)] = 2.4

    @classmethod
    def read(cls, file: Path) -> NeutralPose:
        """Read a neutral pose from a file.

        Raises:
            InputFileError: the file is missing or invalid.
        """
        data = read_object(file)
        try:
            neutral = cls(**data)
            check_fields(neutral)
        except (TypeError, ValueError) as error:
            raise InputFileError(problem(error)) from error
        return neutral


FIELDS = tuple(NeutralPose.__dataclass_fields__)


class Calibration:
    """Collects faces for three seconds; the neutral pose is their median, which ignores blinks. Thread: one."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, ...]] = deque(maxlen=N_MAX_FACES)
        self._t_last_ns: int | None = None
        self._collected_ns = 0

    @property
    def ratio(self) -> float:
        """Progress, 0..1."""
        return min(1.0, self._collected_ns / s_to_ns(CALIBRATION_S), len(self._rows) / N_MIN_FACES)

    def feed(self, face: Face | None, t_ns: int) -> NeutralPose | None:
        """Add the result of one picture; returns the neutral pose when calibration is complete."""
        if face is None:
            self._t_last_ns = None
            return None
        if self._t_last_ns is not None:
            self._collected_ns += min(max(0, t_ns - self._t_last_ns), s_to_ns(MAX_STEP_S))
        self._t_last_ns = t_ns
        self._rows.append(tuple(getattr(face, name) for name in FIELDS))
        if self.ratio < 1:
            return None
        return NeutralPose(*(float(value) for value in np.median(np.array(self._rows), axis=0)))
