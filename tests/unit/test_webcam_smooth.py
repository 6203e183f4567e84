"""Neutral pose, One Euro filter and records."""

from dataclasses import replace

import numpy as np
import pytest

from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.webcam.face import Face
from avatar_app.live.webcam.neutral import Calibration, NeutralPose
from avatar_app.live.webcam.one_euro import OneEuro, OneEuroSpec
from avatar_app.live.webcam.smooth import SPECS, Smoother

FACE = Face(
    yaw_deg=6.0, pitch_deg=-3.0, roll_deg=2.0, gaze_yaw_deg=1.0, gaze_pitch_deg=-8.0,
    lids_left_cm=0.9, lids_right_cm=0.7, brow_cm=2.2, error_cm=0.3,
)  # fmt: skip
OWN = NeutralPose(6.0, -3.0, 2.0, 1.0, -8.0, 0.9, 0.7, 2.2)
STEP_NS = NS_PER_S // 30


def fed(one, values):
    return np.array([one.feed(float(value), s_to_ns(1) + k * STEP_NS) for k, value in enumerate(values)])


# Noise of the measurements for a resting head and a camera in a dim room.
@pytest.mark.parametrize(("name", "noise_deg"), [("yaw_deg", 0.14), ("pitch_deg", 0.17), ("roll_deg", 0.09)])
def test_filter_when_head_is_still_then_camera_noise_is_removed(name, noise_deg):
    values = fed(OneEuro(SPECS[name]), np.random.default_rng(0).normal(0, noise_deg, 1800))[60:]
    assert values.std() < 0.065
    assert np.diff(values).std() < 0.15 * np.sqrt(2) * noise_deg


@pytest.mark.parametrize("name", ["yaw_deg", "pitch_deg", "roll_deg"])
def test_filter_when_head_turns_quickly_then_at_most_20_ms_late(name):
    t_s = np.arange(60) / 30
    turn = 60 * np.clip(t_s - 0.5, 0, 0.5)
    late_deg = (turn - fed(OneEuro(SPECS[name]), turn))[25:30].mean()
    assert late_deg / 60 < 0.02


def test_filter_when_cutoff_is_known_then_step_is_that_of_a_low_pass():
    one = OneEuro(OneEuroSpec(min_cutoff_hz=1.0, beta=0.0))
    values = fed(one, [0.0, 1.0])
    step = 2 * np.pi / 30
    assert values[1] == pytest.approx(step / (1 + step), rel=1e-3)


def test_filter_when_time_does_not_advance_then_unchanged():
    one = OneEuro(OneEuroSpec(1.0, 0.0))
    one.feed(1.0, s_to_ns(2))
    assert one.feed(9.0, s_to_ns(2)) == one.feed(9.0, s_to_ns(1)) == 1.0


def test_calibration_when_three_seconds_are_collected_then_medians_without_blinks():
    calibration = Calibration()
    found = None
    for k in range(200):
        is_blink = k % 5 == 0
        face = replace(FACE, lids_left_cm=0.1, lids_right_cm=0.1) if is_blink else FACE
        found = calibration.feed(face, s_to_ns(1) + k * STEP_NS)
        if found is not None:
            break
    assert found == OWN
    assert k == pytest.approx(90, abs=1)


def test_calibration_when_face_disappears_then_that_time_does_not_count():
    calibration = Calibration()
    for k in range(60):
        calibration.feed(FACE, k * STEP_NS)
    ratio = calibration.ratio
    calibration.feed(None, s_to_ns(3))
    assert calibration.feed(FACE, s_to_ns(60)) is None
    assert calibration.ratio == ratio == pytest.approx(0.66, abs=0.02)


def test_calibration_when_pictures_are_few_then_waits_for_twenty():
    calibration = Calibration()
    assert [calibration.feed(FACE, k * s_to_ns(1)) is None for k in range(21)].index(False) == 19


def test_smoother_when_face_is_neutral_then_all_is_zero():
    pose = Smoother(OWN).feed(FACE, 0.9, 100, 200)
    values = (pose.yaw_deg, pose.pitch_deg, pose.roll_deg, pose.gaze_yaw_deg, pose.gaze_pitch_deg, pose.brow)
    assert values == pytest.approx((0,) * 6)
    assert (pose.blink_left, pose.blink_right, pose.confidence) == (0, 0, 0.9)
    assert (pose.t_capture_ns, pose.t_tracked_ns) == (100, 200)


def test_smoother_when_lids_close_then_each_eye_by_its_own_opening():
    pose = Smoother(OWN).feed(replace(FACE, lids_left_cm=0.15, lids_right_cm=0.35), 1.0, 0, 0)
    assert pose.blink_left == 1
    assert pose.blink_right == pytest.approx((0.9 - 0.5) / 0.65)


def test_smoother_when_a_lid_closes_then_gaze_is_held():
    smoother = Smoother(OWN)
    smoother.feed(replace(FACE, gaze_yaw_deg=6.0), 1.0, 0, 0)
    shut = replace(FACE, gaze_yaw_deg=-30.0, lids_left_cm=0.1, lids_right_cm=0.1)
    for k in range(1, 6):
        pose = smoother.feed(shut, 1.0, k * STEP_NS, 0)
    assert pose.gaze_yaw_deg == pytest.approx(5)


def test_smoother_when_a_blink_is_quick_then_it_is_not_lost():
    smoother = Smoother(OWN)
    gaps_cm = [0.9] * 20 + [0.5, 0.15, 0.15, 0.5] + [0.9] * 20
    blinks = [
        smoother.feed(replace(FACE, lids_left_cm=gap), 1.0, k * STEP_NS, 0).blink_left for k, gap in enumerate(gaps_cm)
    ]
    assert max(blinks[20:24]) > 0.85
    assert int(np.argmax(blinks)) in (21, 22)
    assert blinks[28] < 0.1


def test_smoother_when_no_face_then_confidence_zero_and_reset_after_a_gap():
    smoother = Smoother(OWN)
    smoother.feed(replace(FACE, yaw_deg=30.0), 1.0, 0, 0)
    assert smoother.feed(None, 0.9, ms_to_ns(30), 0).confidence == 0
    assert smoother.feed(replace(FACE, yaw_deg=8.0), 1.0, s_to_ns(2), 0).yaw_deg == pytest.approx(2)


def test_smoother_when_neutral_pose_is_set_then_used_immediately():
    smoother = Smoother()
    smoother.feed(FACE, 1.0, 0, 0)
    smoother.set_neutral(OWN)
    assert smoother.feed(FACE, 1.0, STEP_NS, 0).yaw_deg == 0
    assert smoother.neutral == OWN
