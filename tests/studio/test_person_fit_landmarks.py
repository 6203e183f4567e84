"""Learning the map from landmarks to mouth parameters on rendered clips."""

import json

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.clips import Clip
from avatar_app.studio.enrol.person import fit_landmarks
from avatar_app.studio.enrol.person.fit_landmarks import TrackedClip, learn, main, read_tracked
from avatar_app.studio.enrol.person.mouth_map import MouthMap
from tests.fakes.data_folder import N_PICTURES, write_data
from tests.fakes.rendered_mouths import mouths
from tests.studio.test_person_tracking import Tracker


def clips(folder):
    both = ((which, mouths(which)) for which in ("learn", "test"))
    return [TrackedClip(Clip(folder / f"still_{which}", which == "learn"), one.landmarks_px, one.params)
            for which, one in both]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def test_learn_when_clips_are_known_then_map_of_training_clips_and_scores_of_test_clips(data, tmp_path):
    found, scores = learn(clips(tmp_path), data / "nova" / "rig.npz")
    assert isinstance(found, MouthMap)
    assert scores["jawOpen"] > 0.9
    assert "mouthClose" not in scores


def test_learn_when_no_clip_is_for_tests_then_no_scores(data, tmp_path):
    _, scores = learn(clips(tmp_path)[:1], data / "nova" / "rig.npz")
    assert scores == {}


def test_read_tracked_when_clips_are_there_then_one_row_for_each_picture(data, tmp_path):
    tracker = Tracker()
    tracked = read_tracked(data / "nova", tmp_path, tracker)
    assert [one.clip.name for one in tracked] == ["still_000", "still_001", "still_002"]
    assert {one.landmarks_px.shape for one in tracked} == {(N_PICTURES, 478, 3)}
    assert {one.params.shape for one in tracked} == {(N_PICTURES, 14)}
    assert read_tracked(data / "nova", tmp_path, Tracker(problem="it is not needed"))[0].clip.is_train


def test_read_tracked_when_list_is_damaged_then_error(tmp_path):
    (tmp_path / "clips.json").write_text(json.dumps([{"clip": "still_000"}]))
    with pytest.raises(StudioError, match="list of clips"):
        read_tracked(tmp_path, tmp_path, Tracker())


def test_command_when_given_then_writes_the_map(data, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_landmarks, "read_tracked", lambda nova, cache: clips(tmp_path))
    out = tmp_path / "map.npz"
    assert main(["--data", str(data), "--cache", str(tmp_path), "--out", str(out)]) == 0
    with np.load(out) as stored:
        assert stored["weight"].shape[1] == 14
