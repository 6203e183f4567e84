"""Decides which pictures of a recording can be used, and whether the recording can be used at all."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.live.webcam.recording_checks import (
    MAX_SIDE_RATIO,
    MAX_YAW_DEG,
    MIN_BRIGHT,
    MIN_EYES_PX,
    MIN_SHARPNESS,
    SPEECH_PERCENTILE,
    PictureProblem,
    block_levels_db,
    check_sound,
    is_turned,
)
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.material import Bool
from avatar_app.studio.enrol.person.picture_measures import PictureMeasures

# Of the median sharpness. Real talkers: never below 0.6; motion by a seventh of the distance of the eyes: 0.3.
MIN_SHARPNESS_RATIO = 0.5
# From the median of the recording.
MAX_AWAY_YAW_DEG, MAX_AWAY_PITCH_DEG = 15.0, 12.0
# Of the median contrast. Real talkers: never below 0.8.
MIN_LIPS_RATIO = 0.5
# Median over the recording. Six real talkers: 14 to 25.
MIN_LIPS_CONTRAST = 5.0
# Six real talkers: 0.65 to 0.8.
MIN_EYES_LEVEL = 0.45
# Range of the opening. Six real talkers: 0.1 and more within three seconds; a still picture: below 0.01.
MIN_OPENING_RANGE = 0.03
MAX_TWO_FACES_RATIO, MIN_FACE_RATIO = 0.25, 0.5
MIN_USABLE_S = 6.0
# In dB of full scale.
MIN_LEVEL_DB = -60.0
AGAIN = "then record again."


class Flaw(enum.Enum):
    """Why a picture cannot be used; the end of the sentence "in most of the rest"."""

    NO_FACE = "no face is visible"
    TWO_FACES = "there is more than one face"
    BLURRED = "the face is blurred"
    TURNED = "the head is turned away"
    COVERED = "the mouth is covered"


def flaws_of(measures: PictureMeasures) -> dict[Flaw, Bool]:
    """Which pictures have which flaw, (n,) bool each. A limit relative to the median holds for any face and camera."""
    m = measures
    with np.errstate(invalid="ignore"):
        away_yaw, away_pitch = (np.abs(angle - _median(angle)) for angle in (m.yaw_deg, m.pitch_deg))
        return {
            Flaw.NO_FACE: ~np.isfinite(m.eyes_px),
            Flaw.TWO_FACES: m.n_faces > 1,
            Flaw.BLURRED: m.sharpness < MIN_SHARPNESS_RATIO * _median(m.sharpness),
            Flaw.TURNED: (away_yaw > MAX_AWAY_YAW_DEG) | (away_pitch > MAX_AWAY_PITCH_DEG),
            Flaw.COVERED: m.lips_contrast < MIN_LIPS_RATIO * _median(m.lips_contrast),
        }


def usable(measures: PictureMeasures) -> Bool:
    """Which pictures have no flaw, (n,) bool."""
    return np.asarray(~np.any(list(flaws_of(measures).values()), axis=0), np.bool_)


def check_recording(measures: PictureMeasures, sounds: Sequence[Float32], min_usable_s: float = MIN_USABLE_S) -> None:
    """Check that an avatar can be made from a recording.

    Args:
        measures: of all takes.
        sounds: (n,) float32 at 16 kHz of each take.
        min_usable_s: pictures without flaw that are needed.

    Raises:
        StudioError: it cannot be used; one sentence says why.
    """
    for is_bad, what, what_to_do in itertools.chain(
        _pictures(measures), _sound(sounds), _amount(measures, min_usable_s)
    ):
        if is_bad:
            raise StudioError(what, what_to_do)


def advice(measures: PictureMeasures, sounds: Sequence[Float32]) -> list[str]:
    """What would make a usable recording better, one sentence each."""
    m = measures
    found = [
        (PictureProblem.ONE_SIDED_LIGHT, _median(m.side_ratio) > MAX_SIDE_RATIO),
        (PictureProblem.BLURRED, _median(m.sharpness) < MIN_SHARPNESS),
    ]
    sound = check_sound(np.concatenate(sounds))
    return [problem.value for problem, is_so in found if is_so] + ([] if sound is None else [sound.value])


# Whether the problem exists, what is wrong, and what to do.
_Problem = tuple[bool, str, str]


def _pictures(m: PictureMeasures) -> Iterator[_Problem]:
    has_face = np.isfinite(m.eyes_px)
    yield (
        bool(has_face.mean() < MIN_FACE_RATIO),
        "No face was found in most pictures of the video.",
        "Record one face from the front, in good light.",
    )
    yield (
        bool((m.n_faces > 1).sum() > MAX_TWO_FACES_RATIO * has_face.sum()),
        "The video shows more than one face.",
        "Record one person alone.",
    )
    eyes_px = _median(m.eyes_px)
    yield (
        eyes_px < MIN_EYES_PX,
        f"The face in the video is too small: the eyes are {eyes_px:.0f} pixels apart, {MIN_EYES_PX:.0f} are needed.",
        "Move closer to the camera, or choose a higher resolution, " + AGAIN,
    )
    yield _median(m.bright) < MIN_BRIGHT, "The video is too dark.", "Turn on more light, " + AGAIN
    yield (
        is_turned(_median(m.yaw_deg), _median(m.pitch_deg)),
        f"The face in the video is turned {_side(_median(m.yaw_deg))}.",
        "Place the camera in front of the face at the height of the eyes, " + AGAIN,
    )
    yield (
        _median(m.eyes_level) < MIN_EYES_LEVEL,
        "Dark glasses hide the eyes.",
        "Take them off, " + AGAIN,
    )
    yield (
        _median(m.lips_contrast) < MIN_LIPS_CONTRAST,
        "The lips cannot be seen: a mask, a hand or a beard covers them.",
        "Uncover the lips, " + AGAIN,
    )

    opening = m.opening[has_face]
    yield (
        float(np.subtract(*np.percentile(opening, (95, 5)))) < MIN_OPENING_RANGE,
        "The mouth in the video does not move, as in a photo or a drawing.",
        "Record a person who speaks.",
    )


def _sound(sounds: Sequence[Float32]) -> Iterator[_Problem]:
    level_db = float(np.percentile(block_levels_db(np.concatenate(sounds)), SPEECH_PERCENTILE))
    yield level_db < MIN_LEVEL_DB, "The video has no audible sound.", "Check the microphone, " + AGAIN


def _amount(m: PictureMeasures, min_usable_s: float) -> Iterator[_Problem]:
    flaws = flaws_of(m)
    worst = max(flaws, key=lambda flaw: int(flaws[flaw].sum()))
    usable_s, whole_s = float(usable(m).sum()) / FPS, len(m.n_faces) / FPS
    yield (
        usable_s < min_usable_s,
        f"Only {usable_s:.1f} s of {whole_s:.1f} s of the video can be used: in most of the rest {worst.value}.",
        "Hold still, look into the camera, keep your hands down, " + AGAIN,
    )


def _side(yaw_deg: float) -> str:
    return "to the side" if abs(yaw_deg) > MAX_YAW_DEG else "up or down"


def _median(values: Float32) -> float:
    """Median of the finite values; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
