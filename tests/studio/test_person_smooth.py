"""Smoothing without lag, and across missing values."""

import numpy as np
import pytest

from avatar_app.studio.enrol.person.smooth import filled, smoothed


def test_smooth_when_impulse_then_symmetric_about_it():
    curve = np.zeros(41)
    curve[20] = 1
    result = smoothed(curve, 2.0)
    assert result.argmax() == 20
    assert result == pytest.approx(result[::-1])
    assert result.sum() == pytest.approx(1)
    assert result[20] < 0.3


def test_smooth_when_line_then_unchanged_to_its_ends():
    line = np.outer(np.arange(30.0), [1.0, -2.0])
    assert smoothed(line, 3.0) == pytest.approx(line)


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_smooth_when_one_value_then_that_value(sigma):
    assert smoothed(np.array([[3.0, 4.0]]), sigma).tolist() == [[3.0, 4.0]]


def test_smooth_when_noise_then_less_of_it():
    noise = np.random.default_rng(1).normal(size=(200, 2, 3))
    assert smoothed(noise, 1.5).std() < 0.5 * noise.std()


def test_fill_when_values_are_missing_then_on_the_line_between_their_neighbours():
    curve = np.array([[np.nan, 1.0, np.nan, np.nan, 4.0, np.nan], [np.nan] * 6]).T
    result = filled(curve)
    assert result[:, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert np.isnan(result[:, 1]).all()
    assert np.isnan(curve[0, 0])
