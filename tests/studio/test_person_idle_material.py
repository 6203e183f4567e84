"""Which pictures are at rest, on landmarks and sound made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avatar_app.studio.enrol.person.alignment import LOWER_IDS
from avatar_app.studio.enrol.person.idle_material import LIPS, Run, is_silent, rest_runs
from avatar_app.studio.enrol.person.material import FaceCrops, Take
from tests.fakes.person_material import landmarks

N = 100
STEP = 640


def material(**changes: np.ndarray) -> list[tuple[Take, FaceCrops]]:
    """A still face of a hundred pictures, with speech in the middle fifth."""
    pictures = np.zeros((N, 8, 8, 3), np.uint8)
    samples = np.random.default_rng(0).normal(0, 1e-3, N * STEP).astype(np.float32)
    samples[40 * STEP : 60 * STEP] *= 200
    place = np.tile(np.eye(2, 3, dtype=np.float32), (N, 1, 1))
    crops = FaceCrops(pictures, place, np.tile(landmarks(), (N, 1, 1)), np.zeros((N, 3), np.float32), np.ones(N, bool))
    return [(Take("a", pictures, samples), replace(crops, **changes))]


def test_rest_runs_when_there_is_speech_in_the_middle_then_before_and_after_it() -> None:
    assert rest_runs(material()) == [Run(0, 0, 39), Run(0, 61, 100)]


def test_rest_runs_when_the_mouth_is_open_without_sound_then_without_it() -> None:
    marks = np.tile(landmarks(), (N, 1, 1))
    marks[70:80, LOWER_IDS, 1] += 15
    assert rest_runs(material(landmarks_px=marks)) == [Run(0, 0, 39), Run(0, 80, 100)]


def test_rest_runs_when_closed_lips_are_pursed_then_without_them() -> None:
    marks = np.tile(landmarks(), (N, 1, 1))
    marks[70:80, LIPS, 0] += 9
    assert rest_runs(material(landmarks_px=marks)) == [Run(0, 0, 39), Run(0, 80, 100)]


@pytest.mark.parametrize("name", ["is_usable", "pose_deg", "landmarks_px"])
def test_rest_runs_when_a_picture_cannot_be_used_then_without_it(name: str) -> None:
    usable, pose, marks = np.ones(N, bool), np.zeros((N, 3), np.float32), np.tile(landmarks(), (N, 1, 1))
    usable[20], pose[20], marks[20] = False, (9, 0, 0), np.nan
    changed = {"is_usable": usable, "pose_deg": pose, "landmarks_px": marks}[name]
    assert rest_runs(material(**{name: changed})) == [Run(0, 0, 20), Run(0, 21, 39), Run(0, 61, 100)]


def test_rest_runs_when_lips_never_touch_at_rest_then_their_usual_distance_counts() -> None:
    marks = np.tile(landmarks(), (N, 1, 1))
    marks[:, LOWER_IDS, 1] += 6
    marks[40:60, LOWER_IDS, 1] += 15
    assert rest_runs(material(landmarks_px=marks)) == [Run(0, 0, 39), Run(0, 61, 100)]


def test_rest_runs_when_nothing_is_usable_then_empty() -> None:
    assert rest_runs(material(is_usable=np.zeros(N, bool))) == []
    assert rest_runs([]) == []


def test_is_silent_when_there_is_a_short_noise_then_still_silent() -> None:
    samples = material()[0][0].samples.copy()
    samples[10 * STEP : 12 * STEP] *= 100
    silent = is_silent(samples, N)
    assert silent[:39].all()
    assert not silent[40:60].any()


def test_is_silent_when_there_is_no_sound_then_everywhere() -> None:
    assert is_silent(np.zeros(0, np.float32), 5).all()
