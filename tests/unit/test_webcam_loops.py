"""The capture and tracking threads, step by step on a manual clock; and their owner."""

import threading
import time
from dataclasses import replace

import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import CameraInputError, MissingExtraError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.webcam import TrackerState, Webcam, WebcamState, package, webcam
from avatar_app.live.webcam.capture import CaptureLoop
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.live.webcam.tracking import TrackingLoop
from tests.fakes.webcam import FACE_AHEAD, FakeSource, FakeTracker

NO_CAMERA = CameraInputError("There is no camera 'C920'.", "Use one of: BRIO.")


class Camera:
    """A capture loop with cameras of the test."""

    def __init__(self):
        self.clock, self.board = ManualClock(s_to_ns(100)), NoticeBoard()
        self.frames: Latest[CameraFrame] = Latest()
        self.is_there = True
        self.opened = []
        self.stop = threading.Event()
        self.loop = CaptureLoop(self.frames, self.open, self.clock, self.board)

    def open(self):
        if not self.is_there:
            raise NO_CAMERA
        self.opened.append(FakeSource(self.clock, ms_to_ns(33)))
        return self.opened[-1]

    def run(self, seconds):
        t_end_ns = self.clock.now_ns() + s_to_ns(seconds)
        while self.clock.now_ns() < t_end_ns:
            self.loop.step(self.stop)


def test_capture_when_pictures_come_then_newest_stamped_and_read_only():
    camera = Camera()
    camera.run(1)
    frame = camera.frames.take()
    assert camera.frames.n_replaced == camera.frames.n_put - 1 > 25
    assert (frame.index, frame.t_capture_ns) == (camera.frames.n_put - 1, camera.clock.now_ns())
    assert not frame.pixels.flags.writeable
    assert (camera.loop.state, camera.loop.label, camera.loop.size) == (WebcamState.RUNNING, "Fake", (64, 48))
    assert camera.loop.rate.per_s(camera.clock.now_ns()) == pytest.approx(30, abs=1)


def test_capture_when_unplugged_then_reported_once_retried_every_three_seconds_and_recovered():
    camera = Camera()
    camera.run(1)
    camera.is_there, camera.opened[0].is_plugged = False, False
    camera.run(10)
    (notice,) = camera.board.current()
    assert notice.level is Level.WARNING and "3 seconds" in notice.what_to_do
    assert "no more pictures" in notice.text
    assert (camera.loop.state, camera.opened[0].is_open) == (WebcamState.LOST, False)
    camera.is_there = True
    camera.run(3.1)
    assert (camera.loop.state, camera.loop.problem) == (WebcamState.RUNNING, "")
    assert camera.board.current()[0].level is Level.INFO


def test_capture_when_missing_then_lost_with_the_reason_and_retried_with_pauses():
    camera = Camera()
    n_tries = []

    def refuse():
        n_tries.append(camera.clock.now_ns())
        raise NO_CAMERA

    camera.loop = CaptureLoop(camera.frames, refuse, camera.clock, camera.board)
    camera.run(9.5)
    assert len(n_tries) == 4
    assert camera.loop.problem == NO_CAMERA.what


def test_capture_when_no_pictures_come_then_lost():
    camera = Camera()
    camera.run(1)
    camera.opened[0].is_silent = True
    camera.run(2)
    assert camera.loop.state is WebcamState.RUNNING
    camera.run(1)
    assert not camera.opened[0].is_open


def test_capture_when_closed_then_camera_is_closed():
    camera = Camera()
    camera.run(1)
    camera.loop.close()
    camera.loop.close()
    assert (camera.loop.state, camera.opened[0].is_open) == (WebcamState.STOPPED, False)


def test_capture_when_closed_while_lost_then_notice_is_cleared():
    camera = Camera()
    camera.is_there = False
    camera.run(1)
    assert camera.board.current()
    camera.loop.close()
    assert not camera.board.current()


def test_capture_when_closed_while_driver_blocks_then_closed_when_it_returns(monkeypatch):
    camera = Camera()
    camera.run(0.1)
    source, wake = camera.opened[0], threading.Event()
    source.read = lambda: wake.wait(5) and None
    thread = threading.Thread(target=camera.loop.step, args=(camera.stop,))
    thread.start()
    monkeypatch.setattr("avatar_app.live.runtime.device_loop.CLOSE_TIMEOUT_S", 0.05)
    camera.loop.close()
    assert source.is_open
    wake.set()
    thread.join(5)
    assert not source.is_open


class Tracking:
    """A tracking loop with trackers of the test."""

    def __init__(self, make=FakeTracker):
        self.clock, self.board = ManualClock(s_to_ns(100)), NoticeBoard()
        self.frames: Latest[CameraFrame] = Latest()
        self.make = make
        self.trackers, self.tracked = [], []
        self.stop = threading.Event()
        self.loop = TrackingLoop(self.frames, self.tracked.append, self.clock, self.board, self.open)

    def open(self):
        self.trackers.append(self.make())
        return self.trackers[-1]

    def run(self, seconds, monkeypatch=None):
        """Steps of 30 ms with a picture each."""
        t_end_ns = self.clock.now_ns() + s_to_ns(seconds)
        while self.clock.now_ns() < t_end_ns:
            self.frames.put(CameraFrame(self.clock.now_ns(), 0, FakeSource(self.clock).read()[1]))
            self.loop.step(self.stop)
            self.clock.advance(ms_to_ns(30))


@pytest.fixture(autouse=True)
def no_real_waits(monkeypatch):
    monkeypatch.setattr("avatar_app.live.webcam.tracking.FRAME_WAIT_S", 0.0)


def test_tracking_when_faces_are_found_then_delivered_with_their_picture():
    tracking = Tracking()
    tracking.run(1)
    assert tracking.loop.state is TrackerState.RUNNING
    one = tracking.tracked[-1]
    assert one.detected.face == FACE_AHEAD
    assert one.t_tracked_ns - one.frame.t_capture_ns == ms_to_ns(30)
    assert len(tracking.tracked) == pytest.approx(16, abs=1)


def test_tracking_when_no_face_then_delivered_as_none():
    tracking = Tracking(lambda: FakeTracker(face=None))
    tracking.run(0.3)
    assert tracking.tracked[-1].detected is None


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_tracking_when_tracker_is_lost_then_restarted_within_five_seconds(how):
    tracking = Tracking()
    tracking.run(6)
    first, n_before = tracking.trackers[0], len(tracking.tracked)
    first.is_alive, first.is_hung = how != "killed", True
    first.replies.clear()
    tracking.run(5)
    assert len(tracking.trackers) == 2
    assert first.is_closed
    assert len(tracking.tracked) > n_before + 30
    assert tracking.loop.n_restarts == 1
    assert not tracking.board.current()


def test_tracking_when_tracker_keeps_failing_then_reported_and_restarted_with_longer_pauses():
    tracking = Tracking(lambda: FakeTracker(problem="ImportError: no mediapipe"))
    tracking.run(60)
    (notice,) = tracking.board.current()
    assert "ImportError: no mediapipe" in notice.text
    assert "avatar-app webcam setup" in notice.what_to_do
    assert 8 <= len(tracking.trackers) <= 11
    assert tracking.loop.state is TrackerState.LOST
    tracking.make = FakeTracker
    tracking.run(45)
    assert tracking.board.current()[0].level is Level.INFO


def test_tracking_when_tracker_ends_while_no_picture_comes_then_restarted():
    tracking = Tracking()
    tracking.run(0.3)
    tracking.frames.take()
    tracking.loop.step(tracking.stop)
    tracking.trackers[0].is_alive = False
    for _ in range(20):
        tracking.loop.step(tracking.stop)
        tracking.clock.advance(ms_to_ns(30))
    assert len(tracking.trackers) == 2
    assert tracking.loop.state is TrackerState.RUNNING


def test_tracking_when_closed_then_tracker_ends():
    tracking = Tracking()
    tracking.run(0.3)
    tracking.loop.close()
    tracking.loop.close()
    assert tracking.trackers[0].is_closed
    assert tracking.loop.state is TrackerState.STOPPED


def wait_for(is_so):
    t_limit_s = time.monotonic() + 5
    while not is_so() and time.monotonic() < t_limit_s:
        time.sleep(0.005)
    assert is_so()


@pytest.fixture
def owned():
    """A running webcam with a fake camera and tracker."""
    clock, tracker = MonotonicClock(), FakeTracker(replace(FACE_AHEAD, yaw_deg=7.0))
    made = Webcam(
        "", clock, NoticeBoard(),
        open_source=lambda: FakeSource(clock, ms_to_ns(5)), open_tracker=lambda: tracker,
    )  # fmt: skip
    made.tracker = tracker
    yield made
    made.stop()


def test_webcam_when_started_then_records_and_status(owned):
    assert owned.newest() is None
    owned.start()
    owned.start()
    wait_for(lambda: owned.newest() is not None and owned.status().fps_tracked > 0)
    record, status = owned.newest(), owned.status()
    assert record.yaw_deg == pytest.approx(7)
    assert record.t_tracked_ns >= record.t_capture_ns
    assert (status.camera, status.tracker, status.device) == (WebcamState.RUNNING, TrackerState.RUNNING, "Fake")
    assert status.has_face and status.latency_p50_ms < 1000
    assert owned.preview().points_px.shape == (478, 2)


def test_webcam_when_stopped_then_no_data_of_the_user_is_kept_and_it_can_start_again(owned):
    owned.start()
    wait_for(lambda: owned.newest() is not None)
    owned.stop()
    owned.stop()
    assert (owned.newest(), owned.preview()) == (None, None)
    assert owned.status().camera is WebcamState.STOPPED
    owned.tracker.__init__()
    owned.start()
    wait_for(lambda: owned.newest() is not None)


def test_webcam_when_calibrated_then_the_pose_is_neutral(owned, monkeypatch):
    monkeypatch.setattr("avatar_app.live.webcam.neutral.CALIBRATION_S", 0.2)
    owned.start()
    wait_for(lambda: owned.newest() is not None)
    owned.calibrate()
    assert owned.status().calibration_ratio is not None
    wait_for(lambda: owned.status().calibration_ratio is None)
    assert owned.neutral.yaw_deg == pytest.approx(7)
    wait_for(lambda: abs(owned.newest().yaw_deg) < 0.01)


def test_webcam_when_off_then_nothing_runs():
    made = Webcam("off", MonotonicClock(), NoticeBoard(), open_source=lambda: pytest.fail("opened"))
    made.start()
    assert (made.status().camera, made.newest()) == (WebcamState.STOPPED, None)


def test_webcam_when_file_is_missing_then_one_notice_and_it_continues(tmp_path):
    board = NoticeBoard()
    made = Webcam(f"file:{tmp_path}/none.mp4", MonotonicClock(), board, open_tracker=FakeTracker)
    made.start()
    wait_for(lambda: made.status().problem)
    assert "There is no file" in board.current()[0].text
    made.stop()


def test_webcam_when_mediapipe_is_missing_then_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(package, "is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"avatar-app webcam setup|Python 3.12"):
        Webcam("", MonotonicClock(), NoticeBoard()).start()
    assert webcam.require_package is package.require_package
