"""The real tracker process on pictures of Nova."""

import os
import signal
import time

import cv2
import numpy as np
import psutil
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.webcam import TrackerState, Webcam
from avatar_app.live.webcam.package import is_installed
from avatar_app.live.webcam.protocol import FACE, NO_FACE, READY
from avatar_app.live.webcam.tracker_process import TrackerProcess
from tests.fakes.webcam import nova_before_grey, portrait, room, write_video

pytestmark = pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)")


@pytest.fixture(scope="module")
def tracker():
    made = TrackerProcess()
    assert made.receive(30).kind == READY
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    """The tracker of the module has two threads that outlive a test."""


def track(tracker, picture, n=20):
    """Send the same picture n times; return the last reply."""
    for number in range(n):
        tracker.send(number, picture)
        reply = tracker.receive(10)
        assert reply.number == number
    return reply


def test_track_when_head_is_straight_then_angles_are_near_zero_and_confidence_is_high(tracker):
    reply = track(tracker, room((portrait(), 80, 0)))
    face = reply.detected.face
    assert reply.kind == FACE
    assert reply.detected.confidence > 0.7
    assert abs(face.yaw_deg) < 4 and abs(face.roll_deg) < 3 and abs(face.pitch_deg - 4) < 6
    assert 0.5 < face.lids_left_cm < 1.3


@pytest.mark.parametrize("roll_deg", [-12, 8])
def test_track_when_picture_is_rotated_then_roll_changes(tracker, roll_deg):
    straight = track(tracker, room((portrait(), 80, 0))).detected.face.roll_deg
    turn = cv2.getRotationMatrix2D((240, 200), -roll_deg, 1)
    turned = cv2.warpAffine(portrait(), turn, (480, 480), borderValue=(150, 150, 150))
    assert track(tracker, room((turned, 80, 0))).detected.face.roll_deg - straight == pytest.approx(roll_deg, abs=1)


def test_track_when_picture_is_mirrored_then_yaw_and_sides_are_too(tracker):
    # The head is nearly straight in every idle picture; this one has the largest yaw.
    plain = track(tracker, room((portrait(40), 80, 0))).detected
    mirrored = track(tracker, room((portrait(40)[:, ::-1], 80, 0))).detected
    assert mirrored.face.yaw_deg == pytest.approx(-plain.face.yaw_deg, abs=1)
    assert mirrored.face.lids_left_cm == pytest.approx(plain.face.lids_right_cm, abs=0.1)


def test_track_when_dark_or_covered_then_no_face_and_again_when_light_returns(tracker):
    assert track(tracker, np.zeros((480, 640, 3), np.uint8)).kind == NO_FACE
    assert track(tracker, room()).kind == NO_FACE
    assert track(tracker, room((portrait(), 80, 0)), n=5).kind == FACE


def test_track_when_running_then_it_opens_no_connection_and_writes_no_file(tracker):
    process = psutil.Process(tracker.pid)
    track(tracker, room((portrait(), 80, 0)))
    assert process.net_connections() == []
    assert [file.path for file in process.open_files() if file.mode != "r"] == []


@pytest.mark.parametrize("shape", [(240, 320), (361, 641), (480, 270)])
def test_track_when_sizes_change_then_continues(tracker, shape):
    side = min(shape)
    picture = np.full((*shape, 3), 150, np.uint8)
    picture[:side, :side] = portrait(size_px=side)
    assert track(tracker, picture, n=4).kind == FACE


@pytest.mark.parametrize("is_swapped", [False, True])
def test_track_when_two_faces_then_the_larger_one_in_any_order(tracker, is_swapped):
    large, small = portrait(size_px=400), portrait(30, size_px=200)
    large_left_px, small_left_px = (240, 20) if is_swapped else (0, 420)
    track(tracker, room())
    track(tracker, room((small, small_left_px, 100)), n=5)
    both = room((large, large_left_px, 40), (small, small_left_px, 100))
    points = track(tracker, both, n=25).detected.points_px
    assert large_left_px < points[:, 0].mean() < large_left_px + 400
    assert np.ptp(points[:, 0]) > 100


@pytest.fixture
def video(tmp_path):
    """A second of Nova at 30 pictures a second."""
    return write_video(tmp_path / "camera.mp4", [nova_before_grey(k) for k in range(30)], fps=30, crf="18")


def wait_for(is_so):
    t_limit_s = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < t_limit_s
        time.sleep(0.01)


def test_webcam_when_tracker_is_killed_then_tracks_again(video):
    webcam = Webcam(f"file:{video}", MonotonicClock(), NoticeBoard())
    webcam.start()
    try:
        wait_for(lambda: webcam.status().has_face)
        os.kill(webcam._tracking._hold.device.pid, signal.SIGKILL)
        wait_for(lambda: webcam.status().n_restarts == 1)
        t_killed_ns = MonotonicClock().now_ns()
        wait_for(lambda: webcam.newest().t_capture_ns > t_killed_ns and webcam.newest().confidence > 0)
        assert webcam.status().tracker is TrackerState.RUNNING
    finally:
        webcam.stop()


def test_webcam_when_a_video_plays_then_all_its_pictures_are_tracked(video):
    webcam = Webcam(f"file:{video}", MonotonicClock(), NoticeBoard())
    webcam.start()
    try:
        wait_for(lambda: webcam.status().has_face)
        first = webcam.newest().t_capture_ns
        wait_for(lambda: webcam.newest().t_capture_ns - first > 2_500_000_000)
        status = webcam.status()
        # Most of the pictures, however slow the machine is.
        assert status.fps_tracked > 0.3 * status.fps > 0
        assert webcam.preview().points_px.shape == (478, 2)
    finally:
        webcam.stop()
