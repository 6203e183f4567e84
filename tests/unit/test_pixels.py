import numpy as np
import pytest

from avatar_app.live.pixels import mix, over, over_colour, over_soft, over_transparent


@pytest.fixture
def picture():
    """(16, 32, 4) uint8 with every kind of alpha."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 4)).astype(np.uint8)
    pixels[:4, :, 3], pixels[4:8, :, 3] = 0, 255
    return pixels


@pytest.fixture
def behind():
    pixels = np.random.default_rng(1).integers(0, 256, (16, 32, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    return pixels


def in_floats(picture, behind):
    share = picture[..., 3:] / 255
    return picture[..., :3] * share + behind[..., :3] * (1 - share)


def test_over_when_there_is_a_background_then_as_in_floats_and_opaque(picture, behind):
    wanted = in_floats(picture, behind)
    colours, alpha = np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])
    for composed in (over(picture, alpha, behind), over_soft(colours, alpha, np.ascontiguousarray(behind[..., :3]))):
        assert np.abs(composed[..., :3] - wanted).max() <= 1
        assert (composed[..., 3] == 255).all()


def test_over_when_there_is_no_background_then_the_alpha_is_kept(picture):
    colours, alpha = np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])
    assert np.array_equal(over(picture, alpha, None), picture)
    assert np.array_equal(over_soft(colours, alpha, None), picture)


def test_over_when_a_buffer_is_passed_then_written_there(picture, behind):
    buffer = np.empty_like(picture)
    assert over(picture, np.ascontiguousarray(picture[..., 3]), behind, buffer) is buffer


def test_over_colour_when_partly_transparent_then_as_in_floats(picture):
    wanted = in_floats(picture, np.full_like(picture, (200, 100, 50, 255)))
    assert np.abs(over_colour(picture, (200, 100, 50))[..., :3] - wanted).max() <= 1


def test_over_colour_when_opaque_then_unchanged(behind):
    assert np.array_equal(over_colour(behind, (1, 2, 3)), behind)


def test_over_transparent_when_nothing_is_below_then_the_colours_with_their_alpha(picture):
    under = np.zeros_like(picture)
    alpha = picture[..., 3:].astype(np.float32) / 255
    over_transparent(under, picture[..., :3].astype(np.float32), alpha)
    seen = picture[..., 3] > 0
    assert np.array_equal(under[seen], picture[seen]) and not (under[..., 3] == 255).all()


def test_over_transparent_when_below_is_opaque_then_as_in_floats(picture, behind):
    wanted = in_floats(picture, behind)
    over_transparent(behind, picture[..., :3].astype(np.float32), picture[..., 3:].astype(np.float32) / 255)
    assert np.abs(behind[..., :3] - wanted).max() <= 1 and (behind[..., 3] == 255).all()


def test_mix_when_the_share_is_0_or_1_then_the_first_or_the_second(picture, behind):
    ends = np.array([0.0, 1.0], np.float32)
    first, second = (mix(picture[..., :3], behind[..., :3], share.reshape(1, 1, 1)) for share in ends)
    assert np.array_equal(first, picture[..., :3]) and np.array_equal(second, behind[..., :3])
