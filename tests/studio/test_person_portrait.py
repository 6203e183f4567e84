"""The square portrait of a person, on synthetic places of the face."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.person.portrait import (
    EYES_PX,
    LIPS_PX,
    Area,
    alignment,
    composed,
    crop_to_portrait,
    cut_portrait,
    portrait_of,
)


def crops(scale: float, x: float, y: float, n: int = 3) -> np.ndarray:
    """Faces whose eyes are at x, y."""
    place = np.array([[scale, 0, x - scale * EYES_PX[0]], [0, scale, y - scale * EYES_PX[1]]])
    return np.tile(place, (n, 1, 1)).astype(np.float32)


def square(portrait: np.ndarray, size_px: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of the portrait in the picture."""
    scale = portrait[0, 0]
    left, top = (-0.5 - portrait[:, 2]) / scale
    return left, top, left + size_px / scale, top + size_px / scale


def test_portrait_of_when_the_picture_is_large_then_as_large_as_two_crops_and_eyes_above_the_middle() -> None:
    portrait = portrait_of(crops(1.0, 960, 500), Area.of(1920, 1080), 512)
    left, top, right, bottom = square(portrait, 512)
    assert right - left == pytest.approx(512, abs=1)
    assert (960 - left) / (right - left) == pytest.approx(0.5, abs=0.01)
    assert (500 - top) / (bottom - top) == pytest.approx(0.44, abs=0.01)


def test_portrait_of_when_the_picture_ends_below_then_the_portrait_ends_there_too() -> None:
    portrait = portrait_of(crops(0.76, 160, 150), Area.of(360, 288), 512)
    left, top, right, bottom = square(portrait, 512)
    assert bottom == pytest.approx(287.5, abs=0.01)
    assert left >= -0.5
    assert right <= 359.5
    assert top >= -0.5


def test_portrait_of_when_the_face_is_beside_the_middle_then_the_square_stays_inside() -> None:
    left, _, right, _ = square(portrait_of(crops(1.0, 180, 500), Area.of(1920, 1080), 512), 512)
    assert left == pytest.approx(-0.5)
    assert right == pytest.approx(511.5, abs=1)


@pytest.mark.parametrize(("scale", "y"), [(0.2, 150.0), (0.76, 280.0)])
def test_portrait_of_when_the_face_is_small_or_low_then_one_sentence(scale: float, y: float) -> None:
    with pytest.raises(StudioError, match="too small or too near the lower edge"):
        portrait_of(crops(scale, 160, y), Area.of(360, 288), 512)


def test_alignment_when_a_take_is_nearer_then_its_face_comes_to_the_same_place() -> None:
    wanted, ours = crops(1.0, 300, 200), crops(1.2, 340, 180)
    moved = composed(alignment(ours, wanted), ours[0].astype(np.float64))
    for point in (EYES_PX, LIPS_PX):
        assert moved @ (*point, 1) == pytest.approx(wanted[0] @ (*point, 1), abs=1e-3)


def test_crop_to_portrait_when_composed_then_both_maps_in_turn() -> None:
    portrait = portrait_of(crops(1.0, 300, 300), Area.of(600, 600), 512)
    place = crops(1.0, 310, 305)
    in_picture = place[0] @ (100, 50, 1)
    assert crop_to_portrait(place, portrait)[0] @ (100, 50, 1) == pytest.approx(portrait @ (*in_picture, 1), abs=1e-3)


def test_cut_portrait_when_it_leaves_the_picture_then_mirrored() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, :, 0] = np.arange(40)
    shifted = np.array([[1.0, 0, 10], [0, 1, 0]])
    cut = cut_portrait(picture, shifted, 40)
    assert cut[5, 10, 0] == 0
    assert cut[5, 7, 0] == 3


def test_cut_portrait_when_much_reduced_then_fine_stripes_are_grey() -> None:
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[:, ::2] = 200
    cut = cut_portrait(picture, np.array([[0.25, 0, 0], [0, 0.25, 0]]), 100)
    assert np.abs(cut[10:-10, 10:-10].astype(int) - 100).max() < 20


def test_area_when_moved_and_shared_then_the_common_part() -> None:
    moved = Area.of(100, 80).moved(np.array([[1.0, 0, 10], [0, 1, -5]]))
    assert Area.of(100, 80).shared(moved) == Area(9.5, -0.5, 99.5, 74.5)
