"""The avatar's pose from records of the user's head."""

import numpy as np
import pytest

from avatar_app.contracts.head_pose import HeadPose
from avatar_app.contracts.units import NS_PER_S, s_to_ns
from avatar_app.live.webcam.retarget import LIMITS_DEG, HeadRetarget, RetargetSettings, soft_limit, target_values

STEP_NS = NS_PER_S // 30
T0_NS = s_to_ns(100)


def record(t_ns=0, confidence=0.9, **values):
    return HeadPose(t_ns, t_ns, confidence=confidence, **values)


def run(retarget, seconds, t_start_ns, make):
    """Poses over some seconds; `make` returns the record at a time, or None."""
    instants = t_start_ns + STEP_NS * np.arange(round(seconds * 30))
    return [retarget.pose_at(make(int(t_ns)), int(t_ns)) for t_ns in instants]


@pytest.mark.parametrize("limit", [9.0, 15.0])
def test_soft_limit_when_small_then_unchanged_and_never_beyond_the_limit(limit):
    values = np.linspace(-3 * limit, 3 * limit, 601)
    out = np.array([soft_limit(v, limit) for v in values])
    small = np.abs(values) <= 0.6 * limit
    assert np.array_equal(out[small], values[small])
    assert np.abs(out).max() <= limit
    assert np.diff(out).min() > 0
    assert np.abs(np.diff(out, 2)).max() < 0.02 * limit


def test_target_values_when_mirrored_then_left_and_right_swap_and_pitch_stays():
    pose = record(yaw_deg=5, pitch_deg=3, roll_deg=2, gaze_yaw_deg=4, gaze_pitch_deg=1, blink_left=1, brow=0.5)
    assert target_values(pose, RetargetSettings(is_mirrored=True)) == {
        "yaw_deg": -5, "pitch_deg": 3, "roll_deg": -2, "gaze_yaw_deg": -4, "gaze_pitch_deg": 1,
        "blink_left": 0, "blink_right": 1, "brow": 0.5,
    }  # fmt: skip
    straight = target_values(pose, RetargetSettings(is_mirrored=False))
    assert (straight["yaw_deg"], straight["roll_deg"], straight["gaze_yaw_deg"]) == (5, 2, 4)
    assert (straight["blink_left"], straight["blink_right"]) == (1, 0)


def test_target_values_when_gains_differ_then_each_is_applied_within_its_range():
    pose = record(yaw_deg=4, gaze_yaw_deg=4, blink_left=0.8, brow=-0.8)
    half = target_values(pose, RetargetSettings(head=0.5, gaze=2, blinks=0, brows=2, is_mirrored=False))
    assert (half["yaw_deg"], half["gaze_yaw_deg"], half["blink_left"], half["brow"]) == (2, 8, 0, -1)
    wild = target_values(record(yaw_deg=90, pitch_deg=-90, roll_deg=90, blink_right=1), RetargetSettings(blinks=2))
    assert wild["yaw_deg"] == pytest.approx(-15)
    assert (wild["pitch_deg"], wild["blink_left"]) == (pytest.approx(-9), 1)
    assert all(abs(wild[name]) <= limit for name, limit in LIMITS_DEG.items())


def test_retarget_when_face_appears_then_weight_fades_in_within_a_second():
    poses = run(HeadRetarget(), 1.2, T0_NS, lambda t_ns: record(t_ns, yaw_deg=5))
    weights = np.array([pose.weight for pose in poses])
    assert weights[0] == 0
    assert weights[29] == 1
    assert np.diff(weights).min() >= 0
    assert np.diff(weights).max() < 0.1
    assert poses[-1].yaw_deg == -5
    assert poses[-1].t_capture_ns == T0_NS + 35 * STEP_NS


@pytest.mark.parametrize("how", ["no record", "confidence", "old record"])
def test_retarget_when_face_disappears_then_idle_within_a_second_and_pose_is_held(how):
    retarget = HeadRetarget()
    run(retarget, 2, T0_NS, lambda t_ns: record(t_ns, yaw_deg=5))
    t_gone_ns = T0_NS + 60 * STEP_NS
    gone = {
        "no record": lambda t_ns: None,
        "confidence": lambda t_ns: record(t_ns, confidence=0.1, yaw_deg=15),
        "old record": lambda t_ns: record(t_gone_ns - STEP_NS, yaw_deg=5),
    }[how]
    poses = run(retarget, 1.1, t_gone_ns, gone)
    weights = np.array([pose.weight for pose in poses])
    assert weights[3] == 1
    assert weights[29] == 0
    assert np.diff(weights).min() > -0.1
    assert all(pose.yaw_deg == -5 for pose in poses)


def test_retarget_when_one_picture_has_no_face_then_weight_stays():
    retarget = HeadRetarget()
    run(retarget, 2, T0_NS, lambda t_ns: record(t_ns, yaw_deg=5))
    poses = run(retarget, 0.1, T0_NS + 60 * STEP_NS, lambda t_ns: record(t_ns, confidence=0.0))
    assert [pose.weight for pose in poses] == [1, 1, 1]


def test_retarget_when_face_returns_elsewhere_then_no_jump():
    retarget = HeadRetarget(RetargetSettings(is_mirrored=False))
    run(retarget, 2, T0_NS, lambda t_ns: record(t_ns, yaw_deg=8))
    gone = run(retarget, 0.5, T0_NS + 60 * STEP_NS, lambda t_ns: None)
    poses = gone[-1:] + run(retarget, 1.5, T0_NS + 75 * STEP_NS, lambda t_ns: record(t_ns, yaw_deg=-8))
    drawn = np.array([pose.weight * pose.yaw_deg for pose in poses])
    assert gone[-1].weight > 0.5
    assert np.abs(np.diff(drawn)).max() < 1.6
    assert poses[-1].yaw_deg == -8


def test_retarget_when_there_is_no_record_then_idle():
    assert [pose.weight for pose in run(HeadRetarget(), 0.2, 0, lambda t_ns: None)] == [0] * 6


def test_retarget_when_settings_change_then_used_at_the_next_picture():
    retarget = HeadRetarget()
    run(retarget, 2, T0_NS, lambda t_ns: record(t_ns, yaw_deg=4))
    retarget.settings = RetargetSettings(head=0.5)
    assert retarget.pose_at(record(T0_NS + 61 * STEP_NS, yaw_deg=4), T0_NS + 61 * STEP_NS).yaw_deg == -2
