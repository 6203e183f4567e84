import numpy as np
import pytest
import torch
from torch import nn

from avatar_app.studio.train.gain_calibration import MAX_GAIN, apply_gain, calibrate_gain
from avatar_app.studio.train.speech_encoder_score import Prediction

pytestmark = pytest.mark.studio


def prediction(gain: float) -> Prediction:
    """A prediction with `gain` times the motion of the ground truth, around 0.3."""
    ground_truth = 0.3 + 0.1 * np.random.default_rng(0).standard_normal((4, 14, 500)).astype(np.float32)
    predicted = 0.3 + gain * (ground_truth - 0.3)
    predicted[:, 1] = 0
    return Prediction("v", predicted, ground_truth, np.zeros((4, 500), np.int64))


def test_calibrate_gain_when_motion_is_weak_then_gain_up_to_the_limit():
    assert np.allclose(calibrate_gain([prediction(0.8)]).gain[:, 0], 1.25, atol=1e-3)
    assert np.allclose(calibrate_gain([prediction(0.1)]).gain[:, 0], MAX_GAIN)


def test_calibrate_gain_when_motion_is_strong_or_absent_then_one():
    assert np.allclose(calibrate_gain([prediction(1.5)]).gain[:, 0], 1.0)
    assert np.allclose(calibrate_gain([prediction(0.8)]).gain[:, 1], 1.0)


@pytest.mark.parametrize("layer", [nn.Linear(6, 8), nn.Conv1d(6, 8, 1)])
def test_apply_gain_when_called_then_those_outputs_scale_around_the_mean(layer):
    x = torch.randn(5, 6) if isinstance(layer, nn.Linear) else torch.randn(5, 6, 1)
    before = layer(x).detach().flatten(1)
    mean, gain = np.full(3, 0.2, np.float32), np.array([1.0, 1.5, 2.0], np.float32)
    apply_gain(layer, 4, mean, gain)
    after = layer(x).detach().flatten(1)
    assert torch.allclose(after[:, 4:7], 0.2 + torch.from_numpy(gain) * (before[:, 4:7] - 0.2), atol=1e-5)
    assert torch.equal(after[:, :4], before[:, :4]) and torch.equal(after[:, 7:], before[:, 7:])
