import numpy as np
import pytest
import torch
from torch import nn

from avatar_app.studio.train.gain_calibration import MAX_GAIN, missing_strength, stretch
from avatar_app.studio.train.speech_encoder_score import Heard

pytestmark = pytest.mark.studio


def heard(gain: float) -> Heard:
    """Somebody who says `gain` times what is true, around 0.3."""
    true = 0.3 + 0.1 * np.random.default_rng(0).standard_normal((4, 14, 500)).astype(np.float32)
    said = 0.3 + gain * (true - 0.3)
    said[:, 1] = 0
    return Heard("v", said, true, np.zeros((4, 500), np.int64))


def test_strength_when_movement_is_weak_then_gain_gives_it_back_but_not_more_than_allowed():
    assert np.allclose(missing_strength([heard(0.8)]).gain[:, 0], 1.25, atol=1e-3)
    assert np.allclose(missing_strength([heard(0.1)]).gain[:, 0], MAX_GAIN)


def test_strength_when_movement_is_strong_or_there_is_none_then_untouched():
    assert np.allclose(missing_strength([heard(1.5)]).gain[:, 0], 1.0)
    assert np.allclose(missing_strength([heard(0.8)]).gain[:, 1], 1.0)


@pytest.mark.parametrize("layer", [nn.Linear(6, 8), nn.Conv1d(6, 8, 1)])
def test_stretch_when_applied_then_those_rows_move_more_around_the_mean(layer):
    x = torch.randn(5, 6) if isinstance(layer, nn.Linear) else torch.randn(5, 6, 1)
    before = layer(x).detach().flatten(1)
    mean, gain = np.full(3, 0.2, np.float32), np.array([1.0, 1.5, 2.0], np.float32)
    stretch(layer, 4, mean, gain)
    after = layer(x).detach().flatten(1)
    assert torch.allclose(after[:, 4:7], 0.2 + torch.from_numpy(gain) * (before[:, 4:7] - 0.2), atol=1e-5)
    assert torch.equal(after[:, :4], before[:, :4]) and torch.equal(after[:, 7:], before[:, 7:])
