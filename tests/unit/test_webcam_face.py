"""The rigid model and the measurements, on points projected from known head poses."""

import numpy as np
import pytest

from avatar_app.live.webcam.face import LEFT, LOWER_LIP, N_LANDMARKS, RIGHT, UPPER_LIP, measure_face
from avatar_app.live.webcam.face_choice import Box, main_face
from avatar_app.live.webcam.rigid import RIGID_CM, RIGID_IDS, RigidFace

MODEL = RigidFace()


def rotated(yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0):
    """(3, 3): nose to the right edge, then down, then clockwise."""
    y, p, r = np.radians([yaw_deg, pitch_deg, roll_deg])
    yaw = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    pitch = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    roll = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return yaw @ pitch @ roll


def projected(points_cm, rotation, distance_cm=55.0, px_per_cm=12.0, origin=(320, 240)):
    """(n, 2): projected by a camera at this distance from the centre of the rigid model."""
    moved = (points_cm - RIGID_CM.mean(axis=0)) @ rotation.T
    return np.array(origin) + px_per_cm * moved[:, :2] / (1 + moved[:, 2:] / distance_cm)


def landmarks(rotation=None, gaze=(0.0, 0.0), lids_cm=(0.8, 0.8), brow_cm=2.4, mouth_cm=0.0):
    """(478, 2) of a head with eyes, lids, brows and a mouth; unused landmarks are at 0."""
    rotation = np.eye(3) if rotation is None else rotation
    points = np.zeros((N_LANDMARKS, 3))
    points[RIGID_IDS] = RIGID_CM
    for eye, gap_cm in ((LEFT, lids_cm[0]), (RIGHT, lids_cm[1])):
        middle = (points[eye.outer] + points[eye.inner]) / 2
        yaw, pitch = np.radians(gaze)
        looks = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
        points[eye.iris] = middle + np.array([0, 0, 1.25]) + 1.2 * looks
        points[list(eye.upper_lid)] = middle + np.array([0, -gap_cm / 2, 0])
        points[list(eye.lower_lid)] = middle + np.array([0, gap_cm / 2, 0])
        points[list(eye.brow)] = middle + np.array([0, -brow_cm, 0])
    points[UPPER_LIP], points[LOWER_LIP] = [0, 6 - mouth_cm / 2, -3], [0, 6 + mouth_cm / 2, -3]
    return projected(points, rotation)


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 0), (-15, 9, 0), (5, -18, 10), (-20, 10, -15)])
def test_fit_when_head_is_rotated_then_angles_are_found(angles):
    fit = MODEL.fit(projected(RIGID_CM, rotated(*angles)))
    assert fit.angles_deg == pytest.approx(angles, abs=0.3)
    assert fit.error_cm < 0.05
    assert fit.px_per_cm == pytest.approx(12, rel=0.01)


@pytest.mark.parametrize("px_per_cm", [3.0, 40.0])
def test_fit_when_face_is_small_or_large_or_aside_then_angles_are_the_same(px_per_cm):
    points = projected(RIGID_CM, rotated(12, -6, 4), px_per_cm=px_per_cm, origin=(90, 500))
    assert MODEL.fit(points).angles_deg == pytest.approx((12, -6, 4), abs=0.3)


@pytest.mark.parametrize("distance_cm", [40.0, 90.0])
def test_fit_when_user_sits_nearer_or_further_then_within_the_target(distance_cm):
    angles = MODEL.fit(projected(RIGID_CM, rotated(15, 9, 5), distance_cm=distance_cm)).angles_deg
    assert np.abs(np.subtract(angles, (15, 9, 5))).max() < 2


def test_fit_when_landmarks_are_noisy_then_angles_hardly_move():
    points = projected(RIGID_CM, rotated(10, 5, 0))
    rng = np.random.default_rng(0)
    found = np.array([MODEL.fit(points + rng.normal(0, 0.5, points.shape)).angles_deg for _ in range(100)])
    assert found.std(axis=0).max() < 0.5


def test_fit_when_points_are_no_face_then_residual_is_large():
    assert MODEL.fit(np.random.default_rng(0).uniform(0, 200, (len(RIGID_IDS), 2))).error_cm > 1.5


def test_measure_when_eyes_turn_then_gaze_is_independent_of_head_pose():
    straight, aside = (measure_face(landmarks(gaze=gaze), MODEL) for gaze in ((0, 0), (10, -8)))
    assert aside.gaze_yaw_deg - straight.gaze_yaw_deg == pytest.approx(12, abs=1)
    assert aside.gaze_pitch_deg - straight.gaze_pitch_deg == pytest.approx(-9.6, abs=1)
    turned_away = measure_face(landmarks(rotated(15, 5, 5), gaze=(10, -8)), MODEL)
    assert turned_away.gaze_yaw_deg == pytest.approx(aside.gaze_yaw_deg, abs=1.5)
    assert turned_away.gaze_pitch_deg == pytest.approx(aside.gaze_pitch_deg, abs=1.5)


def test_measure_when_one_lid_closes_then_that_side_of_the_picture():
    face = measure_face(landmarks(lids_cm=(0.1, 0.8)), MODEL)
    assert (face.lids_left_cm, face.lids_right_cm) == pytest.approx((0.1, 0.8), abs=0.05)
    assert landmarks()[LEFT.iris, 0] < landmarks()[RIGHT.iris, 0]


def test_measure_when_brows_rise_then_the_same_on_a_rolled_head():
    rest, raised = (measure_face(landmarks(rotated(0, 0, 12), brow_cm=cm), MODEL).brow_cm for cm in (2.4, 2.8))
    assert raised - rest == pytest.approx(0.4, abs=0.05)


def test_measure_when_mouth_opens_then_pitch_is_corrected():
    closed, opened = (measure_face(landmarks(mouth_cm=cm), MODEL).pitch_deg for cm in (0, 1.8))
    assert opened - closed == pytest.approx(1.4, abs=0.3)


@pytest.mark.parametrize(
    ("tracked", "expected"),
    [(None, 0), (Box(0.72, 0.2, 1.0, 0.5), 0), (Box(0.1, 0.1, 0.2, 0.2), 0)],
    ids=["none yet", "a small one aside", "one that is gone"],
)
def test_main_face_when_several_then_largest_and_most_central(tracked, expected):
    boxes = [Box(0.3, 0.2, 0.7, 0.8), Box(0.72, 0.2, 1.0, 0.5), Box(0.0, 0.0, 0.25, 0.25)]
    assert main_face(boxes, tracked) is boxes[expected]


def test_main_face_when_tracked_one_is_slightly_smaller_then_it_stays():
    mine, other = Box(0.1, 0.2, 0.45, 0.75), Box(0.5, 0.2, 0.9, 0.8)
    assert main_face([other, mine], mine) is mine
    assert main_face([other, mine], None) is other


def test_main_face_when_none_then_none():
    assert main_face([], Box(0, 0, 1, 1)) is None
