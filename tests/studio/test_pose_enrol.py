"""The studio step behind a turning head, on made-up pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.pose import main
from avatar_app.studio.enrol.pose_correspondence import Crop, inverted
from avatar_app.studio.enrol.pose_flow import velocities
from avatar_app.studio.enrol.pose_grid import PoseGrid, read_grid
from avatar_app.studio.enrol.pose_light import light_and_visibility
from avatar_app.studio.enrol.pose_rig import Camera, read_rig
from avatar_app.studio.enrol.pose_scatter import scatter

CROP = Crop(128, 116, 256, np.array([[84.0, 107.0], [172.0, 107.0]], np.float32))


@pytest.fixture
def texture() -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    alpha = np.full((128, 128), 255, np.uint8)
    # WebP omits an alpha channel that is opaque everywhere.
    alpha[0, 0] = 0
    return np.dstack((cv2.GaussianBlur(noise, (0, 0), 2), alpha))


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return np.asarray(cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT))


def write_grid(folder: Path, texture: np.ndarray, n_left_out: int = 0) -> Path:
    folder.mkdir()
    axes = np.array([(yaw, pitch) for pitch in (-0.5, 0, 0.5) for yaw in (-0.6, -0.2, 0.2, 0.6)])
    np.savez(folder / "params.npz", params=axes, names=np.array(["headYaw", "headPitch"]))
    for k in range(len(axes) - n_left_out):
        cv2.imwrite(str(folder / f"{k:06d}.webp"), texture)
    return folder


def test_read_grid_when_complete_then_poses_are_in_degrees(tmp_path: Path, texture: np.ndarray) -> None:
    grid = read_grid(write_grid(tmp_path / "grid", texture))
    assert grid.yaws == pytest.approx([-15, -5, 5, 15])
    assert grid.pitches == pytest.approx([-9, 0, 9])
    assert grid.pictures.shape == (3, 4, 128, 128, 4)


def test_read_grid_when_pictures_are_missing_then_names_them(tmp_path: Path, texture: np.ndarray) -> None:
    folder = write_grid(tmp_path / "grid", texture, n_left_out=2)
    with pytest.raises(StudioError, match=r"000010\.webp and 1 more is missing"):
        read_grid(folder)


def test_read_grid_when_poses_form_no_grid_then_one_sentence(tmp_path: Path, texture: np.ndarray) -> None:
    folder = write_grid(tmp_path / "grid", texture)
    pose = np.random.default_rng(1).uniform(-1, 1, (12, 2))
    np.savez(folder / "params.npz", params=pose, names=np.array(["headYaw", "headPitch"]))
    with pytest.raises(StudioError, match="no grid"):
        read_grid(folder)


def test_read_rig_when_the_file_is_no_rig_then_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rig.npz").write_bytes(b"no rig")
    with pytest.raises(StudioError, match="cannot be read"):
        read_rig(tmp_path / "rig.npz")


def test_pose_when_a_picture_is_missing_then_names_it_and_the_old_poses_stay(
    tmp_path: Path, texture: np.ndarray
) -> None:
    avatar = tmp_path / "avatar"
    (avatar / "pose").mkdir(parents=True)
    (avatar / "avatar.json").write_text("{}")
    grid = write_grid(tmp_path / "grid", texture, n_left_out=1)
    words = ["--grid", str(grid), "--rig", "none.npz", "--idle", str(tmp_path), "--avatar", str(avatar)]
    with pytest.raises(StudioError, match=r"000011\.webp is missing"):
        main(words)
    assert (avatar / "pose").is_dir()


def test_velocities_when_pictures_slide_then_pixels_per_degree(texture: np.ndarray) -> None:
    pictures = [[moved(texture, 1.5 * column, -0.8 * row) for column in range(3)] for row in range(2)]
    yaws, pitches = np.array([0, 2.5, 5], np.float32), np.array([0, 3], np.float32)
    found = velocities(PoseGrid(yaws, pitches, np.array(pictures)), lambda: None)
    middle = found[:, :, 32:96, 32:96].mean(axis=(2, 3))
    assert middle == pytest.approx(np.tile([1.5 / 2.5, 0, 0, -0.8 / 3], (2, 3, 1)), abs=0.05)


def test_camera_when_a_point_is_unprojected_then_its_projection_is_the_same_pixel() -> None:
    pixels = np.random.default_rng(2).uniform(0, 512, (20, 2))
    camera = Camera()
    assert camera.project(camera.unproject(pixels, np.full(20, -1.2))) == pytest.approx(pixels)


def test_inverted_when_the_face_moved_then_the_opposite_offset() -> None:
    places = CROP.pixels() + np.array([6.0, -4.0], np.float32)
    back = inverted(places, np.ones((256, 256), np.float32), CROP, (96, 40), (54, 40))
    assert back.shape == (54, 40, 2)
    assert np.abs(back - (-6.0, 4.0)).max() < 0.01


def test_scatter_when_there_are_no_values_then_the_nearest_are_extrapolated() -> None:
    place = np.array([(x, y) for x in range(5, 10) for y in range(5, 10)])
    lattice = scatter(place, np.full((25, 1), 7.0), (20, 20))
    assert lattice.shape == (20, 20, 1)
    assert np.allclose(lattice, 7)


def test_light_and_visibility_when_the_face_is_darker_and_hair_covers_it_then_the_hair_is_not_visible_face() -> None:
    rest = np.full((256, 256, 3), 150, np.uint8)
    turned = rest - 20
    turned[:, :60] = 10
    light, visibility = light_and_visibility(rest, turned, CROP)
    assert light[200, 128] == pytest.approx([-20] * 3, abs=1)
    assert visibility[200, 128] == 1
    assert visibility[200, 20] == 0
