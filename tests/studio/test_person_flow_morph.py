"""Morphing by optical flow, on a textured square that moves."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.studio.enrol.person.flow_morph import measure_flow, morph

SHIFT_PX = 8


def picture(x: int) -> np.ndarray:
    """A textured disc at x, on a transparent background."""
    noise = np.random.default_rng(3).integers(0, 255, (160, 160), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    disc = cv2.circle(np.zeros((160, 160), np.uint8), (80, 80), 40, 255, -1, cv2.LINE_AA)
    move = np.array([[1.0, 0, x], [0, 1, 0]])
    grey, alpha = (cv2.warpAffine(part, move, (160, 160)) for part in (texture, disc))
    return np.dstack((grey, grey, grey, alpha))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    share = b[:, :, 3] > 250
    return float(np.abs(a[share].astype(int) - b[share])[:, :3].mean())


def test_morph_when_halfway_then_the_square_is_halfway_and_not_twice() -> None:
    first, middle, last = picture(0), picture(SHIFT_PX // 2), picture(SHIFT_PX)
    half = morph(first, last, measure_flow(first, last), 0.5)
    faded = np.rint((first.astype(float) + last) / 2).astype(np.uint8)
    assert difference(half, middle) < 6
    assert difference(half, middle) < 0.3 * difference(faded, middle)
    assert np.abs(half[:, :, 3].astype(int) - middle[:, :, 3]).mean() < 2


def test_morph_when_the_share_is_at_an_end_then_that_picture() -> None:
    first, last = picture(0), picture(SHIFT_PX)
    flow = measure_flow(first, last)
    for share, end in ((0.0, first), (1.0, last)):
        made = morph(first, last, flow, share)
        assert (made[:, :, 3] == end[:, :, 3]).all()
        assert difference(made, end) == 0


def test_morph_when_one_picture_is_transparent_somewhere_then_the_colour_is_that_of_the_other() -> None:
    first, last = picture(0), picture(0)
    last[:, :, :3] = np.where(last[:, :, 3:] == 0, 0, last[:, :, :3])
    last[:, :80] = 0
    flow = measure_flow(first, first)
    half = morph(first, last, flow, 0.5)
    assert np.abs(half[80, 50, :3].astype(int) - first[80, 50, :3]).max() <= 3
    assert 120 <= half[80, 50, 3] <= 135
