"""Landmarks of every picture of a take, with a fake tracker, and with the real one where it is installed."""

import numpy as np
import pytest

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.live.webcam.package import is_installed
from avatar_app.live.webcam.protocol import FACE, FAILED, NO_FACE, READY, DetectedFace, Reply
from avatar_app.studio.enrol.person import tracking
from avatar_app.studio.enrol.person.material import Take
from avatar_app.studio.enrol.person.tracking import load_track, save_track, track_take, track_takes
from tests.fakes.nova_face import face, mirrored
from tests.fakes.webcam import FACE_AHEAD, portrait, room

PICTURE, LANDMARKS = face()


class Tracker:
    """Finds a face at the place that a picture's brightness names; tests let it fail at a picture."""

    def __init__(self, ends_at=(), hangs_at=(), problem=""):
        self.ends_at, self.hangs_at = list(ends_at), list(hangs_at)
        self.problem = problem
        self.opened, self.in_flight = 0, 0
        self.seen = []

    def __call__(self):
        self.opened += 1
        self.is_alive = True
        self.replies = [Reply(FAILED, problem=self.problem) if self.problem else Reply(READY)]
        return self

    def send(self, number, bgr):
        assert not self.replies
        value = int(bgr[0, 0, 0])
        self.seen.append((value, bgr.shape))
        if value in self.ends_at:
            self.ends_at.remove(value)
            self.is_alive = False
        elif value in self.hangs_at:
            self.hangs_at.remove(value)
        elif value == 0:
            self.replies.append(Reply(NO_FACE, number))
        else:
            detected = DetectedFace(FACE_AHEAD, 0.9, np.full((478, 3), value, np.float32), n_faces=1 + value % 2)
            self.replies.append(Reply(FACE, number, detected))

    def receive(self, timeout_s):
        return self.replies.pop(0) if self.replies else None

    def close(self):
        self.is_alive = False


def take(values=(1, 2, 0, 4), size=(48, 64), name="a"):
    pictures = np.stack([np.full((*size, 3), value, np.uint8) for value in values])
    return Take(name, pictures, np.zeros(len(values) * 640, np.float32) + values[0])


def test_track_when_pictures_have_faces_then_one_row_each():
    counts = []
    track = track_take(take(), Tracker(), lambda *of: counts.append(of))
    assert track.landmarks_px.shape == (4, 478, 3)
    assert track.landmarks_px[[0, 1, 3], 5, 2].tolist() == [1, 2, 4]
    assert np.isnan(track.landmarks_px[2]).all()
    assert track.confidence.tolist() == pytest.approx([0.9, 0.9, 0, 0.9])
    assert track.n_faces.tolist() == [2, 1, 0, 1]
    assert counts == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_track_when_picture_is_large_then_smaller_copy_and_landmarks_scaled_back():
    tracker = Tracker()
    track = track_take(take([3], size=(300, 401)), tracker, max_side_px=100)
    assert tracker.seen == [(3, (75, 100, 3))]
    assert track.landmarks_px[0, 0] == pytest.approx([3 * 4.01, 12, 3 * 4.01])


def test_track_when_tracker_ends_then_the_same_picture_again():
    tracker = Tracker(ends_at=[2, 2])
    track = track_take(take(), tracker)
    assert [value for value, _ in tracker.seen] == [1, 2, 2, 2, 0, 4]
    assert track.landmarks_px[1, 0, 0] == 2 and tracker.opened == 3


def test_track_when_tracker_hangs_then_restarted(monkeypatch):
    monkeypatch.setattr(tracking, "REPLY_S", 0.01)
    tracker = Tracker(hangs_at=[2])
    assert track_take(take(), tracker).landmarks_px[1, 0, 0] == 2
    assert tracker.opened == 2


def test_track_when_tracker_keeps_ending_then_one_error():
    tracker = Tracker(ends_at=[2] * 10)
    with pytest.raises(StudioError, match="face tracker does not run"):
        track_take(take(), tracker)
    assert not tracker.is_alive


def test_track_when_tracker_cannot_start_then_its_reason():
    with pytest.raises(StudioError, match="no model"):
        track_take(take(), Tracker(problem="no model."))


def test_track_when_mediapipe_is_missing_then_named(monkeypatch):
    def missing():
        raise MissingExtraError("Head tracking needs the package mediapipe.", "Install it.")

    monkeypatch.setattr(tracking, "require_package", missing)
    with pytest.raises(MissingExtraError):
        track_take(take())


def test_tracks_when_stored_then_read_instead_of_tracked(tmp_path):
    takes, tracker = [take(), take([5, 6], name="b")], Tracker()
    first = track_takes(takes, tmp_path, tracker)
    counts = []
    again = track_takes(takes, tmp_path, tracker, lambda *of: counts.append(of))
    assert counts == [(4, 6), (6, 6)]
    # One process for all; between two takes a black picture lets it forget the face.
    assert tracker.opened == 1
    assert [value for value, _ in tracker.seen] == [1, 2, 0, 4, 0, 5, 6]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.landmarks_px, other.landmarks_px, equal_nan=True)
        assert (one.n_faces == other.n_faces).all() and (one.confidence == other.confidence).all()


def test_tracks_when_the_tracker_does_not_forget_a_face_then_restarted(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "BLACK", np.full((64, 64, 3), 9, np.uint8))
    tracker = Tracker()
    track_takes([take(), take([5, 6], name="b")], tmp_path, tracker)
    assert tracker.opened == 2


def test_tracks_when_killed_then_only_the_rest_is_tracked(tmp_path):
    takes = [take(), take([5, 6], name="b")]

    def stop(n_done, n_all):
        if n_done > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_takes(takes, tmp_path, Tracker(), stop)
    tracker = Tracker()
    track_takes(takes, tmp_path, tracker)
    assert [value for value, _ in tracker.seen] == [5, 6]


def test_track_when_file_is_damaged_or_of_another_take_then_none(tmp_path):
    file = tmp_path / "a.npz"
    assert load_track(file, take()) is None
    save_track(file, take(), track_take(take(), Tracker()))
    assert load_track(file, take()) is not None
    assert load_track(file, take([9, 2, 0, 4])) is None
    assert load_track(file, take([1, 2])) is None
    file.write_bytes(file.read_bytes()[:1000])
    assert load_track(file, take()) is None


@pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)")
def test_track_when_real_then_face_second_face_mirror_and_empty_room_are_found():
    flipped, flipped_landmarks = mirrored(PICTURE, LANDMARKS)
    pictures = [room((PICTURE, 80, 0))] * 4 + [room((flipped, 80, 0))] * 4
    pictures += [room((portrait(0, 320), 0, 100), (portrait(30, 300), 330, 100))] * 4 + [room()] * 2
    track = track_take(Take("nova", np.stack(pictures), np.zeros(14 * 640, np.float32)))
    assert track.n_faces.tolist() == [1] * 8 + [2] * 4 + [0] * 2
    assert np.isnan(track.landmarks_px[12:]).all() and np.isfinite(track.landmarks_px[:12]).all()
    for k, wanted in ((3, LANDMARKS), (7, flipped_landmarks)):
        assert np.abs(track.landmarks_px[k] - wanted - (80, 0, 0))[:, :2].mean() < 2.5


@pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)")
def test_tracks_when_real_then_a_take_does_not_depend_on_the_one_before(tmp_path):
    moved = [np.roll(room((portrait(k), 80, 0)), 60, axis=1) for k in range(4)]
    takes = [
        Take(name, np.stack(pictures), np.zeros(len(pictures) * 640, np.float32))
        for name, pictures in (("a", [room((PICTURE, 80, 0))] * 3), ("b", moved))
    ]
    alone, (_, after) = track_take(takes[1]), track_takes(takes, tmp_path)
    assert np.abs(alone.landmarks_px - after.landmarks_px).max() < 0.01
