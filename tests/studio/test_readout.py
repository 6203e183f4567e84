"""The least-squares readout of the speech encoder."""

from __future__ import annotations

import copy

import pytest
import torch

from avatar_app.studio.data.speech_batches import Batch
from avatar_app.studio.mouth import PHONES
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, SpeechEncoderShape
from avatar_app.studio.train.readout import refit_readout

pytestmark = pytest.mark.studio


@pytest.fixture
def net():
    torch.manual_seed(0)
    return SpeechEncoder(SpeechEncoderShape(width=8, dilations=(1, 1), front_widths=(4, 4, 4))).eval()


def batch_of(net, change=0.0, seed=1, phone="aa"):
    """A batch whose targets are the outputs of the network plus a change."""
    mel = torch.randn(4, 1, 80, 60, generator=torch.Generator().manual_seed(seed))
    mouth = net(mel).detach() + change
    return Batch(mel, mouth, torch.full((4, 4, mouth.shape[-1]), PHONES.index(phone)), torch.ones(4))


def test_refit_when_another_readout_made_the_targets_then_it_is_found(net):
    other = copy.deepcopy(net)
    torch.nn.init.normal_(other.mouth.weight, std=0.3)
    torch.nn.init.normal_(other.mouth.bias)
    wanted = batch_of(other)
    assert (net(wanted.mel) - wanted.mouth).abs().max() > 0.1
    refit_readout(net, [wanted], ridge=1e-9)
    torch.testing.assert_close(net(wanted.mel), wanted.mouth, atol=1e-3, rtol=1e-3)


def test_refit_when_the_ridge_is_strong_then_weights_stay(net):
    before = copy.deepcopy(net)
    refit_readout(net, [batch_of(net, 0.5)], ridge=1e9)
    torch.testing.assert_close(net.mouth.weight, before.mouth.weight, atol=1e-5, rtol=0)


def test_refit_when_batches_disagree_then_sealed_lips_and_trust_weigh_more(net):
    low, high = batch_of(net, 0.0), batch_of(net, 1.0)
    sealed = Batch(high.mel, high.mouth, torch.full_like(high.phones, PHONES.index("m")), high.trust)
    unsure = Batch(high.mel, high.mouth, high.phones, torch.full_like(high.trust, 0.25))
    shifts = []
    for second in (high, sealed, unsure):
        changed = copy.deepcopy(net)
        refit_readout(changed, [low, second], ridge=1e-9, sealed_boost=3.0)
        shifts.append(float((changed(low.mel).detach() - low.mouth).mean()))
    assert shifts == pytest.approx([0.5, 0.8, 0.2], abs=0.01)
