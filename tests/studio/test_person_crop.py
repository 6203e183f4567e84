"""Face crops of pictures whose motion is known."""

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.person.alignment import neutral_of
from avatar_app.studio.enrol.person.face_crop import crop_take, crop_to_picture, read_crops
from avatar_app.studio.enrol.person.material import FaceTrack, Take
from avatar_app.studio.enrol.person.steady import steadied
from tests.fakes.nova_face import face
from tests.studio.test_person_alignment import opened, track_of

PICTURE, FACE = face()
# The similarity of the picture as it is.
STILL = crop_to_picture(track_of([FACE] * 5), neutral_of([track_of([FACE] * 5)]))[:1]
IN_CROP = (slice(90, 180), slice(70, 186))


def similarity(angle_deg, scale, shift):
    middle = (240.0, 240.0)
    matrix = cv2.getRotationMatrix2D(middle, angle_deg, scale)
    matrix[:, 2] += shift
    return matrix


def seen_at(matrix, side=480):
    """The picture and the landmarks after a similarity."""
    points = FACE.astype(np.float64).copy()
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    points[:, 2] *= np.sqrt(np.linalg.det(matrix[:, :2]))
    return cv2.warpAffine(PICTURE, matrix, (side, side), flags=cv2.INTER_CUBIC), points


def recorded(matrices, noise_px=0.0, side=480):
    pairs = [seen_at(matrix, side) for matrix in matrices]
    points = np.stack([points for _, points in pairs])
    points += np.random.default_rng(2).normal(0, noise_px, points.shape)
    pictures = np.stack([picture for picture, _ in pairs])
    return Take("a", pictures, np.zeros(len(pairs) * 640, np.float32)), track_of(points)


def slow_motion(n=14):
    return [similarity(3 * np.sin(k / 8), 1.0 + 0.002 * k, (1.5 * k, -0.7 * k)) for k in range(n)]


def test_crop_when_head_moves_then_crop_is_still_and_in_place(tmp_path):
    take, track = recorded(slow_motion())
    counts = []
    neutral = neutral_of([track])
    crops = crop_take(take, track, neutral, tmp_path, lambda *of: counts.append(of))
    assert crops.frames.shape == (14, 256, 256, 3)
    assert counts[-1] == (14, 14) and len(counts) == 14
    eyes = crops.landmarks_px[:, [33, 133, 362, 263], :2].mean(axis=1)
    assert np.abs(eyes - neutral.eyes_px[:2]).max() < 0.5
    assert eyes[:, 1] == pytest.approx(np.full(14, 110.1), abs=0.5)
    middle = crops.frames[7][IN_CROP].astype(float)
    assert all(np.abs(frame[IN_CROP] - middle).mean() < 3 for frame in crops.frames)
    assert crops.is_usable.all()


def test_crop_when_mapped_back_then_the_point_of_the_picture(tmp_path):
    take, track = recorded(slow_motion(6))
    crops = crop_take(take, track, neutral_of([track]), tmp_path)
    points = np.concatenate((crops.landmarks_px[:, :, :2], np.ones((6, 478, 1), np.float32)), axis=2)
    back = np.einsum("nij,nkj->nki", crops.crop_to_picture, points)
    assert back == pytest.approx(track.landmarks_px[:, :, :2], abs=0.05)


def test_crop_when_landmarks_are_noisy_then_picture_is_steady(tmp_path):
    take, track = recorded([similarity(0, 1, (0, 0))] * 40, noise_px=1.5)
    crops = crop_take(take, track, neutral_of([track]), tmp_path)
    place = crops.crop_to_picture @ np.array([128.0, 200.0, 1.0])
    assert np.abs(np.diff(place, n=2, axis=0)).mean() < 0.06


def test_crop_when_jaw_opens_then_place_unchanged(tmp_path):
    take, track = recorded([similarity(0, 1, (0, 0))] * 20)
    shut = crop_take(take, track, neutral_of([track]), tmp_path / "shut")
    speaking = track_of([opened(points, 20.0 * (k % 2)) for k, points in enumerate(track.landmarks_px)])
    crops = crop_take(take, speaking, neutral_of([track]), tmp_path / "speaking")
    assert crops.crop_to_picture == pytest.approx(shut.crop_to_picture, abs=1e-3)


def test_crop_when_face_is_missing_then_interpolated_and_unusable(tmp_path):
    take, track = recorded(slow_motion())
    whole = crop_take(take, track, neutral_of([track]), tmp_path / "whole")
    landmarks = track.landmarks_px.copy()
    landmarks[5:8] = np.nan
    gap = FaceTrack(landmarks, track.confidence, track.n_faces)
    chosen = np.arange(14) != 2
    crops = crop_take(take, gap, neutral_of([gap]), tmp_path / "gap", is_usable=chosen)
    assert crops.crop_to_picture[6] == pytest.approx(whole.crop_to_picture[6], abs=0.6)
    assert np.flatnonzero(~crops.is_usable).tolist() == [2, 5, 6, 7]
    assert np.isnan(crops.landmarks_px[6]).all()
    assert np.isfinite(crops.pose_deg).all()


def test_crop_when_head_turns_away_then_unusable(tmp_path):
    take, track = recorded([*[similarity(0, 1, (0, 0))] * 12, *[similarity(20, 1, (0, 0))] * 5])
    crops = crop_take(take, track, neutral_of([track]), tmp_path)
    assert crops.is_usable[:9].all() and not crops.is_usable[14:].any()
    assert np.abs(crops.pose_deg[-1, 2]) > 15


def test_crop_when_no_face_then_error(tmp_path):
    take, track = recorded(slow_motion(6))
    none = track_of(track.landmarks_px * np.nan)
    with pytest.raises(StudioError, match="no face"):
        crop_take(take, none, neutral_of([track]), tmp_path)


def test_crop_when_picture_is_large_then_reduced_without_aliases(tmp_path):
    take, track = recorded([similarity(0, 4, (720, 720))] * 2, side=1920)
    fine = take.pictures.copy()
    fine[:, ::2, ::2] = 255
    fine[:, 1::2, ::2], fine[:, ::2, 1::2], fine[:, 1::2, 1::2] = 0, 0, 255
    crops = crop_take(Take("a", fine, take.samples), track_of(np.repeat(track.landmarks_px, 3, axis=0)[:2]),
                      neutral_of([track_of(np.repeat(track.landmarks_px, 3, axis=0))]), tmp_path)  # fmt: skip
    assert crops.frames[0][IN_CROP].std() < 12


def test_crop_when_picture_is_large_then_no_shift(tmp_path):
    take, track = recorded([similarity(0, 4, (720, 720))] * 5, side=1920)
    at = np.array([1000, 1200])
    pictures = np.zeros_like(take.pictures)
    pictures[:, at[1] - 6 : at[1] + 7, at[0] - 6 : at[0] + 7] = 255
    crops = crop_take(Take("a", pictures, take.samples), track, neutral_of([track]), tmp_path)
    light = crops.frames[2][:, :, 0].astype(float)
    y, x = (np.arange(256) @ light.sum(axis=1 - axis) / light.sum() for axis in (0, 1))
    assert crops.crop_to_picture[2] @ (x, y, 1) == pytest.approx(at, abs=0.5)


def test_read_when_written_then_same(tmp_path):
    take, track = recorded(slow_motion(6))
    written = crop_take(take, track, neutral_of([track]), tmp_path)
    read = read_crops(tmp_path)
    for name in ("frames", "crop_to_picture", "landmarks_px", "pose_deg", "is_usable"):
        assert np.array_equal(getattr(read, name), getattr(written, name)), name


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_read_when_damaged_then_error(tmp_path, damage):
    take, track = recorded(slow_motion(6))
    crop_take(take, track, neutral_of([track]), tmp_path)
    if damage == "missing":
        (tmp_path / "crops.npz").unlink()
    elif damage == "cut":
        content = (tmp_path / "crops.npy").read_bytes()
        (tmp_path / "crops.npy").write_bytes(content[: len(content) // 2])
    else:
        np.save(tmp_path / "crops.npy", np.zeros((5, 256, 256, 3), np.uint8))
    with pytest.raises(StudioError, match=r"The face crops in .*"):
        read_crops(tmp_path)


def test_steady_when_pictures_jump_then_similarities_follow():
    jumps = np.where(np.arange(30) % 5 < 2, 1.2, 0.0)
    take, _ = recorded([similarity(0, 1, (jump, -jump)) for jump in jumps])
    still = np.repeat(STILL, 30, axis=0)
    moved = steadied(take.pictures, still)[:, :, 2] - still[:, :, 2]
    assert np.corrcoef(moved[:, 0], jumps)[0, 1] > 0.95
    assert np.corrcoef(moved[:, 1], -jumps)[0, 1] > 0.95
    assert np.ptp(moved[:, 0]) > 0.5


def test_steady_when_motion_is_slow_then_left_to_the_landmarks():
    take, _ = recorded([similarity(0, 1, (0.04 * k, 0)) for k in range(60)])
    still = np.repeat(STILL, 60, axis=0)
    assert steadied(take.pictures, still) == pytest.approx(still, abs=0.15)


def test_steady_when_pictures_are_plain_then_unchanged():
    still = np.repeat(STILL, 4, axis=0)
    assert np.array_equal(steadied(np.full((4, 480, 480, 3), 90, np.uint8), still), still)
