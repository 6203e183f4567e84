"""The matte of a person, against Nova's true alpha before a striped wall."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from avatar_app.live.frame import Avatar
from avatar_app.studio.enrol.person.fill import fill_smoothly, guided_filter
from avatar_app.studio.enrol.person.matting import Plate, background_plate, matte, steady
from tests.fakes.person_material import before, wall

SIZE_PX = 256


@pytest.fixture(scope="module")
def person() -> tuple[np.ndarray, np.ndarray]:
    """Colours and true alpha."""
    parts = Avatar.load("nova").idle(0)
    return tuple(cv2.resize(part, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA) for part in parts)


def coarse(alpha: np.ndarray) -> np.ndarray:
    """A mask as the model gives it: blurred, and without details."""
    small = cv2.resize(cv2.GaussianBlur(alpha, (0, 0), 4), (64, 64), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC))


def over(colours: np.ndarray, alpha: np.ndarray, level: float) -> np.ndarray:
    share = alpha[:, :, None] / 255
    return colours * share + level * (1 - share)


def blueness(colours: np.ndarray) -> np.ndarray:
    return np.asarray(colours[:, :, 0] - colours[:, :, 2])


def known(background: np.ndarray) -> Plate:
    return Plate(background.astype(np.float32), np.ones(background.shape[:2], np.float32))


def test_matte_when_the_background_is_known_then_much_nearer_to_the_truth_than_the_mask(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    alpha, _ = matte(before(colours, truth, background), coarse(truth), known(background))
    error = np.abs(alpha.astype(int) - truth).mean()
    assert error < 1.5
    assert error < 0.3 * np.abs(coarse(truth).astype(int) - truth).mean()


def test_matte_when_shown_on_white_and_black_then_no_colour_of_the_wall(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    picture = before(colours, truth, background)
    alpha, clean = matte(picture, coarse(truth), known(background))
    edge = (truth > 20) & (truth < 235)
    for level in (0, 255):
        wanted = over(colours, truth, level)
        bias, before_bias = (
            blueness(over(part, mask, level) - wanted)[edge].mean() for part, mask in ((clean, alpha), (picture, truth))
        )
        assert before_bias > 10
        assert abs(bias) < 0.2 * before_bias


def test_matte_when_the_wall_tints_the_person_then_the_tint_is_removed(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    inward_px = cv2.distanceTransform((truth > 127).astype(np.uint8), cv2.DIST_L2, 5)
    tint = np.clip(1 - inward_px / 12, 0, 1)[:, :, None] * (60.0, 0.0, -40.0)
    picture = before(np.clip(colours + tint, 0, 255).astype(np.uint8), truth, background)
    alpha, clean = matte(picture, coarse(truth), known(background))
    ring = (inward_px > 2) & (inward_px < 8) & (alpha == 255)
    assert blueness(clean - colours.astype(float))[ring].mean() < 0.4 * blueness(tint)[ring].mean()


def test_matte_when_the_picture_is_noisy_then_alpha_is_smooth(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    picture = before(colours, truth, background) + np.random.default_rng(4).normal(0, 12, (SIZE_PX, SIZE_PX, 3))
    alpha, _ = matte(np.clip(picture, 0, 255).astype(np.uint8), coarse(truth), known(background))
    roughness = np.abs(cv2.Laplacian(alpha.astype(np.float32), cv2.CV_32F))[(truth == 255) | (truth == 0)].mean()
    assert roughness < 2.6


def test_matte_when_the_person_is_certain_somewhere_then_opaque_there(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    solid = cv2.circle(np.zeros_like(truth), (128, 110), 20, 255, -1)
    picture = before(colours, truth, background)
    picture[100:120, 120:136] = background[100:120, 120:136]
    alpha, _ = matte(picture, np.where(solid > 0, 0, coarse(truth)).astype(np.uint8), known(background), solid)
    assert (alpha[solid > 0] == 255).all()


def test_matte_when_person_and_background_are_alike_then_the_mask_decides(person) -> None:
    grey = np.full((SIZE_PX, SIZE_PX, 3), 90, np.uint8)
    mask = coarse(person[1])
    alpha, _ = matte(grey, mask, known(grey))
    sure = (mask > 250) | (mask < 5)
    assert np.abs(alpha[sure].astype(int) - mask[sure]).max() < 40


def test_background_plate_when_the_person_moves_then_the_wall_behind_is_seen(person) -> None:
    colours, truth = person
    background = wall(SIZE_PX, SIZE_PX)
    pictures, masks = [], []
    for dx in (-70, 0, 70):
        move = np.array([[1, 0, dx], [0, 1, 0]], np.float32)
        moved, alpha = (cv2.warpAffine(part, move, (SIZE_PX, SIZE_PX)) for part in (colours, truth))
        pictures.append(before(moved, alpha, background))
        masks.append(coarse(alpha))
    plate = background_plate(pictures, masks)
    seen = plate.weight > 0
    assert seen[:, 128].mean() < seen[:, 10].mean() == 1
    assert np.abs(plate.colours - background)[seen].mean() < 1.5


def test_background_plate_when_a_place_is_never_seen_then_continued_from_nearby(person) -> None:
    background = np.full((SIZE_PX, SIZE_PX, 3), (200, 120, 40), np.uint8)
    picture = before(*person, background)
    plate = background_plate([picture], [coarse(person[1])])
    assert np.abs(plate.colours - background).max() < 12


def test_steady_when_alpha_flickers_on_a_still_picture_then_less(person) -> None:
    truth = person[1]
    noise = np.random.default_rng(1).normal(0, 20, (5, *truth.shape))
    alphas = np.clip(truth + noise, 0, 255).astype(np.uint8)
    still = np.zeros((5, SIZE_PX, SIZE_PX, 3), np.uint8)
    flicker = np.abs(np.diff(alphas.astype(int), axis=0)).mean()
    assert np.abs(np.diff(steady(alphas, still).astype(int), axis=0)).mean() < 0.5 * flicker


def test_steady_when_the_picture_moves_then_alpha_is_kept(person) -> None:
    alphas = np.stack([person[1], 255 - person[1], person[1]])
    moving = np.stack([np.full((SIZE_PX, SIZE_PX, 3), level, np.uint8) for level in (0, 120, 240)])
    assert (steady(alphas, moving) == alphas).all()


def test_fill_smoothly_when_pixels_are_known_then_kept_and_others_between() -> None:
    colours = np.zeros((33, 40, 3), np.float32)
    colours[:, 30:] = 100
    weight = np.zeros((33, 40), np.float32)
    weight[:, :10] = weight[:, 30:] = 1
    filled = fill_smoothly(colours, weight)
    assert np.abs(filled[:, :10]).max() == 0
    assert np.abs(filled[:, 30:] - 100).max() == 0
    assert (np.diff(filled[16, 9:31, 0]) > -1).all()


def test_fill_smoothly_when_nothing_is_known_then_zero() -> None:
    assert np.abs(fill_smoothly(np.ones((9, 9, 3), np.float32), np.zeros((9, 9), np.float32))).max() < 1e-3


def test_guided_filter_when_the_guide_has_an_edge_then_noise_goes_and_the_edge_stays() -> None:
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1
    values = guide + np.random.default_rng(2).normal(0, 0.1, guide.shape).astype(np.float32)
    smooth = guided_filter(guide, values, 3, 1e-4)
    assert np.abs(smooth - guide).mean() < 0.4 * np.abs(values - guide).mean()
    assert smooth[:, 19].mean() < 0.1 < 0.9 < smooth[:, 20].mean()
