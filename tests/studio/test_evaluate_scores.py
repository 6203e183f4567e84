import numpy as np
import pytest

from avatar_app.studio.metrics.scores import OpeningReader, closings, correlation, motion, psnr_db, ssim


def mouths(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a dark gap of a known height."""
    gap = rng.uniform(0, 20, n)
    pictures = np.full((n, 80, 96, 3), 150, np.uint8)
    for picture, height in zip(pictures, gap, strict=True):
        picture[30 : 30 + int(height), 30:70] = 20
    return pictures, gap.astype(np.float32)


def test_reader_when_fitted_then_reads_the_gap_of_other_pictures():
    rng = np.random.default_rng(0)
    reader = OpeningReader.fit(*mouths(200, rng))
    pictures, gap = mouths(50, rng)
    assert correlation(reader.read(pictures), gap) > 0.98


def test_scores_when_pictures_are_equal_then_perfect_and_noise_makes_them_worse():
    pictures, _ = mouths(4, np.random.default_rng(0))
    noisy = np.clip(pictures + np.random.default_rng(1).normal(0, 10, pictures.shape), 0, 255).astype(np.uint8)
    assert ssim(pictures, pictures) == pytest.approx(1.0)
    assert ssim(noisy, pictures) < 0.9
    assert psnr_db(pictures, pictures) > 70
    assert psnr_db(noisy, pictures) == pytest.approx(28.1, abs=0.5)


def test_motion_when_still_then_zero_and_a_step_of_ten_is_ten():
    still = np.full((3, 4, 4, 3), 50, np.uint8)
    assert motion(still) == 0
    still[1] += 10
    assert motion(still) == 10


def test_reader_when_written_as_a_picture_then_its_product_with_a_mouth_is_the_gap():
    reader = OpeningReader.fit(*mouths(100, np.random.default_rng(0)))
    pictures, _ = mouths(5, np.random.default_rng(1))
    read = (pictures / 255 * reader.picture(80, 96)).sum(axis=(1, 2, 3)) + reader.weight[-1]
    # Downsampling rounds the pictures to integers.
    assert np.allclose(read, reader.read(pictures), atol=0.05)


def test_closings_when_lips_close_between_open_mouths_then_counted_once_and_compared_with_the_read_gap():
    expected = np.array([0, 0, 0, 0, 0, 5, 8, 6, 2, 0.2, 0.2, 3, 7, 9, 6, 4, 0.1, 5, 6, 3, 2, 0, 0, 0, 0], float)
    assert closings(expected, expected) == (2, 2)
    half_open = np.where(np.arange(len(expected)) > 12, expected + 3, expected)
    assert closings(half_open, expected) == (1, 2)
    # A delay of one picture counts as closed, three do not.
    assert closings(np.roll(expected, 1), expected) == (2, 2)
    assert closings(np.roll(expected, 3), expected) == (0, 2)
    # Silence contains no closing.
    assert closings(np.zeros(9), np.zeros(9)) == (0, 0)


@pytest.mark.parametrize(("b", "r"), [([1, 2, 3], 1.0), ([3, 2, 1], -1.0), ([5, 5, 5], 0.0)])
def test_correlation_when_curves_are_equal_opposite_or_constant_then_1_minus_1_or_0(b, r):
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array(b, float)) == pytest.approx(r)
