"""The losses from sound to mouth parameters."""

from __future__ import annotations

import pytest
import torch

from avatar_app.studio.mouth import PHONES
from avatar_app.studio.train.speech_losses import LossWeights, SpeechLosses, Targets

pytestmark = pytest.mark.studio
N = 40


def losses(**weights):
    opening = torch.zeros(14)
    opening[0] = 20.0
    return SpeechLosses(LossWeights(**weights), opening, torch.ones(14))


def targets(phone="aa", trust=1.0):
    mouth = torch.zeros(2, 1, 14, N)
    mouth[:, :, 0] = torch.sin(torch.arange(N) / 4) / 2 + 0.5
    return Targets(mouth, torch.full((2, 1, N), PHONES.index(phone)), torch.full((2,), trust))


def logits(phone="aa"):
    found = torch.zeros(2, 1, 40, N)
    found[:, :, PHONES.index(phone)] = 20.0
    return found


def test_losses_when_equal_then_only_the_smoothed_phone_loss_is_left():
    parts = losses(correlation=1.0)(targets().mouth, logits(), targets())
    assert all(float(parts[name]) == 0 for name in ("shape", "opening", "velocity"))
    assert float(parts["correlation"]) == pytest.approx(0, abs=0.01)
    assert float(parts["loss"]) == pytest.approx(float(parts["phone"] + parts["correlation"]))


def test_correlation_when_smaller_motion_then_nearly_none_and_when_opposed_then_two():
    wanted = targets()
    middle = wanted.mouth.mean(-1, keepdim=True)
    compute = losses(correlation=1.0)
    same, opposed = (compute(middle + k * (wanted.mouth - middle), logits(), wanted) for k in (0.5, -1.0))
    assert float(same["correlation"]) < 0.02
    assert float(opposed["correlation"]) == pytest.approx(2, abs=0.02)
    assert "correlation" not in losses()(wanted.mouth, logits(), wanted)


def test_losses_when_lips_are_sealed_then_three_times_the_weight():
    compute = losses()
    open_lips, sealed = (compute(targets().mouth + 0.3, logits(), targets(phone)) for phone in ("aa", "m"))
    assert float(sealed["shape"]) == pytest.approx(3 * float(open_lips["shape"]), rel=1e-4)


def test_losses_when_trust_is_low_then_all_parts_are_smaller():
    compute = losses(correlation=1.0)
    mouth = targets().mouth.flip(-1)
    sure, unsure = (compute(mouth, logits(), targets(trust=trust)) for trust in (1.0, 0.25))
    for name, value in sure.items():
        assert float(unsure[name]) == pytest.approx(0.25 * float(value), rel=1e-4), name
