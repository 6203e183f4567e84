"""The neutral face of a person and the place of the head, on known motion."""

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.person.alignment import LIP_IDS, lip_gap_ratio, neutral_of, place
from avatar_app.studio.enrol.person.material import FaceTrack
from tests.fakes.nova_face import face
from tests.fakes.rendered_mouths import mouths

_, FACE = face()
FACE = FACE.astype(np.float64)


def rotation(yaw_deg, pitch_deg, roll_deg):
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(about_z) @ np.array(about_x) @ np.array(about_y)


def moved(points, turn, scale=1.0, shift=(0.0, 0.0, 0.0)):
    centre = points.mean(axis=0)
    return (points - centre) @ turn.T * scale + centre + shift


def track_of(landmarks):
    landmarks = np.asarray(landmarks, np.float32)
    return FaceTrack(landmarks, np.ones(len(landmarks), np.float32), np.ones(len(landmarks), np.int64))


def opened(points, gap_px):
    result = points.copy()
    result[[87, 14, 317, 17, 152], 1] += gap_px
    return result


def test_place_when_head_turns_then_its_points_lie_on_the_neutral_face():
    seen = np.stack([moved(FACE, rotation(10, -6, 4), 1.3, (30, -12, 5)), moved(FACE, rotation(-8, 3, -9), 0.7)])
    placed = place(seen, FACE)
    assert placed.in_crop(seen) == pytest.approx(np.stack([FACE, FACE]), abs=1e-6)
    assert placed.scale == pytest.approx([1 / 1.3, 1 / 0.7])
    assert placed.in_picture(FACE[14]) == pytest.approx(seen[:, 14])


def test_place_when_jaw_opens_then_no_motion():
    assert place(opened(FACE, 40.0)[None], FACE).rotation[0] == pytest.approx(np.eye(3), abs=1e-9)


def test_place_when_depth_is_inverted_then_a_rotation_all_the_same():
    assert np.linalg.det(place((FACE * (1, 1, -3))[None], FACE).rotation[0]) == pytest.approx(1)


def test_place_when_no_face_then_nan_there_only():
    seen = np.stack([FACE, np.full_like(FACE, np.nan), FACE])
    placed = place(seen, FACE)
    assert np.isfinite(placed.in_crop(seen)).all(axis=(1, 2)).tolist() == [True, False, True]
    assert np.isnan(placed.scale).tolist() == [False, True, False]


def test_neutral_when_takes_differ_then_closed_mouth_at_the_place_of_the_crop():
    heads = [moved(opened(FACE, gap), rotation(yaw, 0, 15), 1.4, (50, 20, 0))
             for yaw in (-3, 0, 3) for gap in (0, 10, 30, 25, 18)]  # fmt: skip
    neutral = neutral_of([track_of(heads[:7]), track_of([np.full_like(FACE, np.nan), *heads[7:]])])
    assert neutral.eyes_px[1] == pytest.approx(0.43 * 256, abs=0.1)
    assert neutral.lips_px[1] == pytest.approx(0.78 * 256, abs=0.1)
    assert (neutral.eyes_px[0] + neutral.lips_px[0]) / 2 == pytest.approx(128, abs=0.1)
    assert lip_gap_ratio(neutral.landmarks_px[None])[0] == pytest.approx(lip_gap_ratio(FACE[None])[0], abs=2e-3)
    across = neutral.landmarks_px[263] - neutral.landmarks_px[33]
    assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 0.5


def test_neutral_when_almost_no_face_then_error():
    with pytest.raises(StudioError, match="almost no face"):
        neutral_of([track_of([FACE, FACE, np.full_like(FACE, np.nan)])])


def test_gap_when_face_is_larger_then_same_ratio():
    wide, size = opened(FACE, 20.0), np.linalg.norm((FACE[33] - FACE[263])[:2])
    before, after = lip_gap_ratio(np.stack([FACE, wide]))
    assert after - before == pytest.approx(20 / size, abs=4e-3)
    assert lip_gap_ratio(np.stack([3 * wide, wide * np.nan]))[0] == pytest.approx(after)
    assert np.isnan(lip_gap_ratio(wide[None] * np.nan)[0])


def test_gap_when_clip_is_rendered_then_follows_the_known_opening():
    clip = mouths("test")
    opening = clip.params[:, 0] + 0.6 * clip.params[:, 3]
    assert np.corrcoef(lip_gap_ratio(clip.landmarks_px), opening)[0, 1] > 0.93
    assert lip_gap_ratio(clip.landmarks_px)[:5].max() < 0.01
    assert len(set(LIP_IDS)) == 6
