"""Checks of pictures and sound while somebody records themselves, on Nova's face and on synthetic sound."""

import cv2
import numpy as np
import pytest

from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.webcam.recording_checks import (
    PictureProblem,
    SoundProblem,
    check_picture,
    check_room,
    check_sound,
    face_patch,
    side_ratio,
)
from avatar_app.settings.paths import demo_sample
from tests.fakes.nova_face import face, mirrored

PICTURE, LANDMARKS = face()
POINTS = LANDMARKS[:, :2]
AHEAD = (0.0, 4.0)


def check(picture=PICTURE, points=POINTS, pose=AHEAD, n_faces=1):
    return check_picture(picture, points, *pose, n_faces)


def scaled(picture, scale):
    return np.clip(picture * scale, 0, 255).astype(np.uint8)


def resized(scale):
    return cv2.resize(PICTURE, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), POINTS * scale


def test_picture_when_good_then_no_problem_at_any_size():
    assert check() is None
    assert check(*resized(0.6)) is None
    assert check(*resized(2)) is None


def test_picture_when_mirrored_then_no_problem():
    picture, points = mirrored(PICTURE, LANDMARKS)
    assert check(picture, points[:, :2]) is None


def test_picture_when_no_face_then_named():
    assert check(points=None) is PictureProblem.NO_FACE
    assert check(points=np.full((478, 2), np.nan, np.float32)) is PictureProblem.NO_FACE
    assert check(points=POINTS + 2000) is PictureProblem.NO_FACE


def test_picture_when_two_faces_then_named():
    assert check(n_faces=2) is PictureProblem.TWO_FACES


def test_picture_when_face_is_small_then_named():
    assert check(*resized(0.35)) is PictureProblem.TOO_SMALL


def test_picture_when_dark_then_named_but_not_for_dark_skin():
    assert check(scaled(PICTURE, 0.3)) is PictureProblem.TOO_DARK
    assert check(scaled(PICTURE, 0.55)) is None


@pytest.mark.parametrize("pose", [(25, 4), (-25, 4), (0, 25), (0, -16)])
def test_picture_when_head_is_turned_then_named(pose):
    assert check(pose=pose) is PictureProblem.TURNED


def half_dark(is_left_dark):
    ramp = np.clip((np.arange(PICTURE.shape[1]) - POINTS[1, 0]) / 40, -1, 1) * (0.35 if is_left_dark else -0.35)
    return scaled(PICTURE, (0.65 + ramp)[None, :, None])


@pytest.mark.parametrize("is_left_dark", [True, False])
def test_picture_when_light_comes_from_one_side_then_named(is_left_dark):
    assert check(half_dark(is_left_dark)) is PictureProblem.ONE_SIDED_LIGHT


def test_side_ratio_when_picture_is_mirrored_then_the_same():
    picture, points = mirrored(PICTURE, LANDMARKS)
    plain, flipped = (side_ratio(face_patch(*one)) for one in ((PICTURE, POINTS), (picture, points)))
    assert flipped == pytest.approx(plain, rel=0.03)


def test_picture_when_blurred_then_named():
    eyes_px = float(np.linalg.norm(POINTS[263] - POINTS[33]))
    assert check(cv2.GaussianBlur(PICTURE, (0, 0), 0.04 * eyes_px)) is PictureProblem.BLURRED
    assert check(cv2.GaussianBlur(PICTURE, (0, 0), 0.008 * eyes_px)) is None


@pytest.fixture(scope="module")
def voice():
    """Four seconds of speech without noise."""
    samples = read_audio(demo_sample())[:64_000]
    return samples / np.abs(samples).max() * 0.5


def noise(level_db, n=64_000):
    return np.random.default_rng(0).normal(0, 10 ** (level_db / 20), n).astype(np.float32)


def test_sound_when_good_then_no_problem(voice):
    assert check_sound(voice + noise(-65)) is None


def test_sound_when_quiet_then_named(voice):
    assert check_sound(voice * 0.01) is SoundProblem.TOO_QUIET
    assert check_sound(np.zeros(16_000, np.float32)) is SoundProblem.TOO_QUIET
    assert check_sound(np.zeros(0, np.float32)) is SoundProblem.TOO_QUIET


def test_sound_when_clipped_then_named(voice):
    assert check_sound(np.clip(voice * 8, -1, 1)) is SoundProblem.CLIPPING


def test_sound_when_one_sample_is_at_the_limit_then_no_problem(voice):
    click = voice + noise(-65)
    click[100] = 1.0
    assert check_sound(click) is None


def test_sound_when_room_is_loud_then_named(voice):
    assert check_sound(voice + noise(-30)) is SoundProblem.ROOM_TOO_LOUD


def test_room_when_silent_then_no_problem_with_a_click_neither():
    room = noise(-60)
    room[1000:1200] = 0.5
    assert check_room(room) is None


def test_room_when_a_fan_runs_then_named():
    assert check_room(noise(-35)) is SoundProblem.ROOM_TOO_LOUD
