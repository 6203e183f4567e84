"""Head tracking: switched by settings, rendered in the pictures, independent of the rest."""

import json
import time
from typing import ClassVar

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.head_pose import AvatarPose, HeadPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live import head_tracking as module
from avatar_app.live.frame import Avatar, PosedRenderer
from avatar_app.live.frame.posed_renderer import mixed
from avatar_app.live.head_tracking import NEUTRAL_FILE, HeadTracking
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.webcam import NeutralPose
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.pipeline.test_frame_thread import Bench


class FakeWebcam:
    """A webcam; the test sets the user's head pose."""

    made: ClassVar[list["FakeWebcam"]] = []
    is_missing = False

    def __init__(self, name, clock, notices, neutral):
        self.name, self.clock, self.neutral = name, clock, neutral
        self.is_on = self.is_stuck = False
        self.yaw_deg: float | None = 12.0
        FakeWebcam.made.append(self)

    def start(self):
        if self.is_missing:
            raise MissingExtraError("Head tracking needs a package.", "Install it.")
        self.is_on = True

    def stop(self):
        self.is_on = False

    @property
    def is_open(self):
        return self.is_on or self.is_stuck

    def newest(self):
        if self.yaw_deg is None:
            return None
        now_ns = self.clock.now_ns()
        return HeadPose(now_ns - ms_to_ns(20), now_ns, yaw_deg=self.yaw_deg, confidence=1.0)

    def preview(self):
        return None

    def status(self):
        return f"status of {self.name}"

    def calibrate(self):
        self.neutral = NeutralPose(yaw_deg=3.0)


@pytest.fixture(autouse=True)
def webcams(monkeypatch):
    monkeypatch.setattr(FakeWebcam, "made", [])
    monkeypatch.setattr(FakeWebcam, "is_missing", False)
    return FakeWebcam.made


@pytest.fixture
def clock():
    return ManualClock(NS_PER_S)


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def head_tracking(clock, notices, tmp_path):
    made = HeadTracking(clock, notices, tmp_path, FakeWebcam)
    made.configure(Settings(is_mirrored=False, idle_share=0.25))
    return made


ON = Settings(is_following=True, webcam="Desk")


def poses(head_tracking, clock, seconds):
    """Head poses, 25 a second."""
    found = []
    for _ in range(round(25 * seconds)):
        clock.advance(NS_PER_S // 25)
        found.append(head_tracking.pose(clock.now_ns()))
    return found


def test_pose_when_switched_on_then_fades_to_the_user_s_and_when_off_fades_to_idle(head_tracking, clock, webcams):
    assert poses(head_tracking, clock, 0.2) == [None] * 5
    head_tracking.start(ON)
    assert (webcams[0].name, webcams[0].is_on, head_tracking.status()) == ("Desk", True, "status of Desk")
    followed = poses(head_tracking, clock, 1.5)
    weights = [pose.weight for pose in followed]
    assert weights == sorted(weights) and weights[0] < 0.2 and weights[-1] == 1
    assert (followed[-1].yaw_deg, followed[-1].idle_share) == (pytest.approx(11.8, abs=0.1), 0.25)
    head_tracking.stop()
    assert not webcams[0].is_on
    assert head_tracking.status() is None
    left = poses(head_tracking, clock, 1.2)
    assert left[5].weight > 0 and left[-1] is None


def test_pose_when_no_face_is_visible_then_idle_motion_within_a_second(head_tracking, clock, webcams):
    head_tracking.start(ON)
    poses(head_tracking, clock, 1.5)
    webcams[0].yaw_deg = None
    left = poses(head_tracking, clock, 1.0)
    assert left[-1].weight == 0
    steps = np.abs(np.diff([pose.yaw_deg * pose.weight for pose in left]))
    assert steps.max() < 1.5


def test_camera_when_its_package_is_missing_then_error_and_off(head_tracking, monkeypatch):
    monkeypatch.setattr(FakeWebcam, "is_missing", True)
    with pytest.raises(MissingExtraError, match="needs a package"):
        head_tracking.start(ON)
    assert head_tracking.status() is None and not head_tracking.is_camera_open


def test_camera_when_stopped_while_its_driver_blocks_then_open_until_the_driver_returns(head_tracking, webcams):
    head_tracking.start(ON)
    assert head_tracking.is_camera_open
    webcams[0].is_stuck = True
    head_tracking.stop()
    assert head_tracking.is_camera_open
    webcams[0].is_stuck = False
    assert not head_tracking.is_camera_open


def test_neutral_pose_when_calibrated_then_saved_for_the_next_start_and_an_invalid_file_is_ignored(
    head_tracking, clock, notices, tmp_path, webcams
):
    head_tracking.start(ON)
    head_tracking.calibrate()
    head_tracking.keep()
    assert json.loads((tmp_path / NEUTRAL_FILE).read_text())["yaw_deg"] == 3.0
    again = HeadTracking(clock, notices, tmp_path, FakeWebcam)
    again.start(ON)
    assert webcams[-1].neutral.yaw_deg == 3.0
    for broken in ("{", "[]", '{"yaw_deg": "far"}', '{"nose": 1}'):
        (tmp_path / NEUTRAL_FILE).write_text(broken)
        again = HeadTracking(clock, notices, tmp_path, FakeWebcam)
        again.start(ON)
        assert webcams[-1].neutral == NeutralPose()


def test_idle_motion_when_tracking_then_small_rotations_continue_and_blinks_and_gaze_do_not():
    idle = np.array([2.0, 1.0, -1.0, 6.0, 3.0, 1.0, 0.5], np.float32)
    pose = mixed(AvatarPose(yaw_deg=10.0, weight=1.0, idle_share=0.25), idle)
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == (10.5, 0.25, -0.25)
    assert (pose.gaze_yaw_deg, pose.blink_left, pose.brow) == (0, 0, 0)
    assert mixed(AvatarPose(yaw_deg=10.0, weight=0.0, idle_share=0.25), idle).yaw_deg == 2.0


def test_picture_when_the_head_turns_then_it_changes_and_is_idle_again_afterwards():
    avatar = Avatar.load("nova")
    bench = Bench(avatar)
    pose: list[AvatarPose | None] = [None]
    bench.loop._pose_at = lambda t_ns: pose[0]
    bench.loop.set_renderer(PosedRenderer(avatar, avatar.poses()))
    straight = bench.tick().pixels
    pose[0] = AvatarPose(yaw_deg=12.0, weight=1.0, t_capture_ns=bench.clock.now_ns() - ms_to_ns(30))
    turned = bench.tick().pixels
    assert np.abs(turned[116:372, 128:384, :3].astype(int) - straight[116:372, 128:384, :3]).mean() > 10
    assert bench.loop._meters.p50_p95("head")[0] > 25
    bench.loop.set_hidden(is_hidden=True)
    assert (bench.tick().pixels == bench.tick().pixels[0, 0]).all()
    bench.loop.set_hidden(is_hidden=False)
    pose[0] = None
    # The idle pictures themselves, not rendered from the pose grid.
    assert any((bench.tick().pixels == straight).all() for _ in range(avatar.n_idle + 1))


def test_pipeline_when_following_is_switched_on_then_in_use_and_off_when_it_fails(tmp_path, monkeypatch, notices):
    monkeypatch.setattr(module.HeadTracking.__init__, "__defaults__", (FakeWebcam,))
    settings = Settings(mic="demo", model="nova-96", engine="onnxruntime-cpu", precision="fp32")
    pipeline = LivePipeline(settings, ProfilePaths(tmp_path), ManualClock(s_to_ns(1)), notices)
    pipeline.start()
    try:
        pipeline.apply(settings.replace(is_following=True, webcam="Desk"))
        wait_for(lambda: pipeline.settings.is_following and pipeline.webcam() == "status of Desk")
        pipeline.apply(settings)
        wait_for(lambda: not pipeline.settings.is_following and pipeline.webcam() is None)
        monkeypatch.setattr(FakeWebcam, "is_missing", True)
        pipeline.apply(settings.replace(is_following=True))
        wait_for(lambda: any(notice.key == "follow" for notice in notices.current()))
        assert not pipeline.settings.is_following
    finally:
        pipeline.close()


def wait_for(is_so):
    t_limit_s = time.monotonic() + 20
    while not is_so() and time.monotonic() < t_limit_s:
        time.sleep(0.02)
    assert is_so()
