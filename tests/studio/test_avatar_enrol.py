"""Mask, registration and colours of an avatar folder, on synthetic pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.registration import PARTS, crops_of, find_parts, jitter_px, lips_distance_px
from avatar_app.studio.enrol.rendered import idle_pictures
from avatar_app.studio.enrol.spread import spread_colours

CORNER = (128, 116)


@pytest.fixture
def rest() -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 4))


def shown(rest: np.ndarray, dx: float, dy: float) -> np.ndarray:
    shift = np.array([[1, 0, CORNER[0] + dx], [0, 1, CORNER[1] + dy]], np.float32)
    return np.asarray(cv2.warpAffine(rest, shift, (512, 512), flags=cv2.INTER_CUBIC))


def test_mouth_mask_when_at_the_border_of_the_patch_then_zero() -> None:
    mask = mouth_mask(256)
    assert mask[200, 128] == 255
    assert mask[:145].max() == 0
    assert mask[255].max() == mask[:, :33].max() == mask[:, 223:].max() == 0


def test_mouth_mask_when_at_the_jaw_then_zero() -> None:
    mask = mouth_mask(256)
    assert mask[235, 66] == mask[235, 190] == 0
    assert mask[235, 95] > 200


def test_find_parts_when_the_face_moves_then_found_within_a_fraction_of_a_pixel(rest: np.ndarray) -> None:
    found = find_parts(rest, shown(rest, 5.4, -3.3), CORNER)
    middles = np.array([part.middle for part in PARTS])
    assert found - middles == pytest.approx(np.tile([CORNER[0] + 5.4, CORNER[1] - 3.3], (len(PARTS), 1)), abs=0.2)


def test_find_parts_when_it_is_another_face_then_one_sentence(rest: np.ndarray) -> None:
    with pytest.raises(StudioError, match="does not show the face"):
        find_parts(rest, shown(np.ascontiguousarray(rest[::-1]), 0, 0), CORNER)


def test_crops_of_when_one_measurement_is_wrong_then_smooth() -> None:
    phase = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    pose = np.stack((np.sin(phase), np.cos(phase), np.sin(2 * phase)), axis=1).astype(np.float32)
    middles = np.array([part.middle for part in PARTS])
    places = middles[None] + CORNER + 8.0 * pose[:, None, :2]
    good = crops_of(places, pose)
    places[40] += 6
    crops = crops_of(places, pose)
    assert np.abs(crops @ [128, 200, 1] - good @ [128, 200, 1]).max() < 0.1
    assert jitter_px(crops) < 0.1
    assert np.median(lips_distance_px(crops, places)) < 0.05


def test_spread_colours_when_a_part_is_transparent_then_the_colours_of_its_edge_continue() -> None:
    colours, alpha = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
    colours[:, :32], alpha[:, :32] = 200, 255
    spread = spread_colours(colours, alpha)
    assert (spread[:, :32] == 200).all()
    assert (spread[:, 32:36] == 200).all()


def test_idle_pictures_when_the_folder_is_empty_then_one_sentence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StudioError, match="poses of the idle pictures"):
        idle_pictures(tmp_path)
