"""Which face is tracked and for how long, with a fake mediapipe."""

from types import SimpleNamespace

import numpy as np
import pytest

from avatar_app.live.webcam import landmarks
from avatar_app.live.webcam.face_choice import Box
from avatar_app.live.webcam.landmarks import CHECK_INTERVAL_FRAMES, MASK_GREY, N_MISSED_CHECKS, Landmarks

LARGE, SMALL = Box(0.1, 0.1, 0.6, 0.9), Box(0.7, 0.3, 0.9, 0.6)
TINY = Box(0.9, 0.1, 0.95, 0.2)
WHITE = np.full((100, 200, 3), 255, np.uint8)


class FakeSolutions:
    """A detector that finds `faces`, and a mesh that tracks one face until it is reset."""

    def __init__(self):
        self.faces = {}
        self.is_lost = False
        self.tracked_face = None
        self.pictures = []
        self.n_detections = 0
        self.face_mesh = SimpleNamespace(
            FaceMesh=lambda **options: SimpleNamespace(process=self.mesh, reset=self.reset)
        )
        self.face_detection = SimpleNamespace(FaceDetection=lambda **options: SimpleNamespace(process=self.detect))

    def detect(self, rgb):
        self.n_detections += 1
        boxes = [
            SimpleNamespace(
                score=[score],
                location_data=SimpleNamespace(
                    relative_bounding_box=SimpleNamespace(
                        xmin=box.left, ymin=box.top, width=box.right - box.left, height=box.bottom - box.top
                    )
                ),
            )
            for box, score in self.faces.items()
        ]
        return SimpleNamespace(detections=boxes or None)

    def mesh(self, rgb):
        self.pictures.append(rgb)
        if self.tracked_face is None:
            self.tracked_face = next(iter(self.faces))
        box = self.tracked_face
        corners = [(box.left, box.top), (box.right, box.bottom)]
        marks = [SimpleNamespace(x=corners[k % 2][0], y=corners[k % 2][1], z=0.0) for k in range(478)]
        return SimpleNamespace(multi_face_landmarks=None if self.is_lost else [SimpleNamespace(landmark=marks)])

    def reset(self):
        self.tracked_face = None


@pytest.fixture
def fake(monkeypatch):
    made = FakeSolutions()
    monkeypatch.setattr(landmarks, "import_mediapipe", lambda: SimpleNamespace(solutions=made))
    return made


def test_track_when_one_face_then_pixels_and_the_detectors_confidence(fake):
    fake.faces = {LARGE: 0.8}
    points, confidence = Landmarks().track(WHITE)
    assert points.shape == (478, 3)
    assert (points.min(axis=0)[:2], points.max(axis=0)[:2]) == (pytest.approx((20, 10)), pytest.approx((120, 90)))
    assert confidence == 0.8


def test_track_when_face_is_tracked_then_detector_runs_twice_a_second_only(fake):
    fake.faces = {LARGE: 0.8}
    tracked = Landmarks()
    for _ in range(1 + 4 * CHECK_INTERVAL_FRAMES):
        tracked.track(WHITE)
    assert fake.n_detections == 5


def test_track_when_every_picture_is_checked_then_the_faces_are_counted_at_once(fake):
    fake.faces = {LARGE: 0.8}
    tracked = Landmarks(check_interval_frames=1)
    tracked.track(WHITE)
    counts = [tracked.n_faces]
    for faces in ({LARGE: 0.8, Box(0.6, 0.1, 1.0, 0.9): 0.7}, {LARGE: 0.8, TINY: 0.7}):
        fake.faces = faces
        tracked.track(WHITE)
        counts.append(tracked.n_faces)
    assert counts == [1, 2, 1]


def test_track_when_every_picture_is_checked_then_an_undetected_face_is_kept_as_long(fake):
    fake.faces = {LARGE: 0.9}
    tracked = Landmarks(check_interval_frames=1)
    tracked.track(WHITE)
    fake.faces = {}
    answers = [tracked.track(WHITE) for _ in range(N_MISSED_CHECKS * CHECK_INTERVAL_FRAMES)]
    assert answers[-2] is not None and answers[-1] is None


def test_track_when_two_faces_then_mesh_starts_with_the_smaller_one_masked(fake):
    fake.faces = {SMALL: 0.95, LARGE: 0.7}
    tracked = Landmarks()
    tracked.track(WHITE)
    first, second = fake.pictures[0], (tracked.track(WHITE), fake.pictures[1])[1]
    assert (first[30:60, 140:180] == MASK_GREY).all()
    assert (first[10:90, 20:120] == 255).all()
    assert (second == 255).all() and (WHITE == 255).all()


def test_track_when_a_much_larger_face_appears_then_it_is_selected_at_the_next_check(fake):
    fake.faces = {SMALL: 0.9}
    tracked = Landmarks()
    tracked.track(WHITE)
    fake.faces = {LARGE: 0.9, SMALL: 0.9}
    for _ in range(CHECK_INTERVAL_FRAMES):
        points, _ = tracked.track(WHITE)
    assert points[:, 0].min() == pytest.approx(20)


def test_track_when_detector_finds_none_then_confidence_falls_and_the_face_is_dropped(fake):
    fake.faces = {LARGE: 0.9}
    tracked = Landmarks()
    tracked.track(WHITE)
    fake.faces = {}
    answers = [tracked.track(WHITE) for _ in range(N_MISSED_CHECKS * CHECK_INTERVAL_FRAMES)]
    assert answers[CHECK_INTERVAL_FRAMES][1] == 0.5
    assert answers[-2] is not None and answers[-1] is None


def test_track_when_mesh_loses_the_face_then_none_and_found_again(fake):
    fake.faces = {LARGE: 0.9}
    tracked = Landmarks()
    tracked.track(WHITE)
    fake.is_lost = True
    assert tracked.track(WHITE) is None
    fake.is_lost = False
    assert tracked.track(WHITE) is not None
    assert fake.n_detections == 2
