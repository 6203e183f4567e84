import numpy as np
import pytest

from avatar_app.contracts.packets import Picture
from avatar_app.live.browser.message import encode, extend, runs
from tests.fakes.browser_source import decode, disc_picture


def roundtrip(pixels: np.ndarray) -> np.ndarray:
    return decode(encode(Picture(0, 0, 7, pixels)))[1]


@pytest.mark.parametrize("size_px", [128, 97])
def test_encode_when_decoded_then_alpha_is_exact_and_colours_near(size_px):
    picture = disc_picture(size_px)
    got = roundtrip(picture)
    np.testing.assert_array_equal(got[:, :, 3], picture[:, :, 3])
    seen = picture[:, :, 3] > 0
    assert np.abs(got[:, :, :3].astype(int) - picture[:, :, :3])[seen].max() < 8


def test_encode_when_picture_is_wide_then_keeps_its_shape_and_number():
    picture = np.ascontiguousarray(disc_picture(200)[40:160])
    index, got = decode(encode(Picture(0, 0, 2**32 + 5, picture)))
    assert (index, got.shape) == (5, (120, 200, 4))
    np.testing.assert_array_equal(got[:, :, 3], picture[:, :, 3])


@pytest.mark.parametrize("alpha", [0, 255])
def test_encode_when_alpha_is_the_same_everywhere_then_one_run_a_row(alpha):
    picture = np.full((64, 70, 4), (10, 20, 30, alpha), np.uint8)
    lengths, values = runs(np.ascontiguousarray(picture[:, :, 3]))
    assert (lengths.tolist(), set(values.tolist())) == ([70] * 64, {alpha})
    assert (roundtrip(picture)[:, :, 3] == alpha).all()


def test_encode_when_alpha_is_noise_then_comes_through():
    picture = np.random.default_rng(1).integers(0, 256, (50, 60, 4), dtype=np.uint8)
    np.testing.assert_array_equal(roundtrip(picture)[:, :, 3], picture[:, :, 3])


def test_extend_when_hidden_colour_glares_then_rim_is_continued_and_inside_untouched():
    picture = disc_picture(128, colour=(40, 90, 200), hidden=(0, 255, 0))
    alpha = np.ascontiguousarray(picture[:, :, 3])
    got = extend(np.ascontiguousarray(picture[:, :, :3]), alpha)
    np.testing.assert_array_equal(got[alpha > 0], picture[:, :, :3][alpha > 0])
    y, x = np.mgrid[:128, :128]
    is_near = (alpha == 0) & (np.hypot(x - 64, y - 64) < 60)
    assert np.abs(got[is_near].astype(int) - (40, 90, 200)).max() < 12


def test_encode_when_hidden_colours_are_noise_then_they_cost_and_show_nothing():
    noisy, plain = disc_picture(128), disc_picture(128)
    hidden = plain[:, :, 3] == 0
    noisy[hidden, :3] = np.random.default_rng(2).integers(0, 256, (hidden.sum(), 3))
    assert encode(Picture(0, 0, 1, noisy)) == encode(Picture(0, 0, 1, plain))
