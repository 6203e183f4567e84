"""The speech encoder: shapes, and sequence = window."""

from __future__ import annotations

import json

import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.nets.speech_encoder import (
    SpeechEncoder,
    SpeechEncoderShape,
    load_speech_encoder,
    save_speech_encoder,
)

pytestmark = pytest.mark.studio
TINY = SpeechEncoderShape(width=16, dilations=(1, 2, 1), front_widths=(4, 4, 4))


def _net(shape=TINY):
    torch.manual_seed(0)
    net = SpeechEncoder(shape).eval()
    for p in net.buffers():
        if p.is_floating_point():
            p.add_(0.1 * torch.rand_like(p))
    return net


def test_forward_when_sequence_then_each_output_equals_its_window():
    net, n = _net(), TINY.window_columns
    mel = torch.randn(2, 1, 80, n + 11)
    with torch.no_grad():
        whole = net(mel)
        assert whole.shape == (2, 4, 14, 6)
        for k in range(6):
            window = net(mel[..., 2 * k : 2 * k + n])
            assert torch.allclose(window[..., 0], whole[..., k], atol=1e-5)


def test_forward_when_default_then_the_newest_and_the_oldest_column_matter():
    # Batch norm in training mode, because a random network of this depth has a constant output otherwise.
    net = _net(SpeechEncoderShape()).train()
    n = net.shape.window_columns
    mel = torch.randn(32, 1, 80, n, requires_grad=True)
    net(mel).square().sum().backward()
    reach = mel.grad[:, 0].abs().sum((0, 1))
    assert reach[0] > 0
    assert reach[-1] > 0


def test_forward_with_phones_when_called_then_mouth_is_the_same_and_phones_have_their_shape():
    net = _net()
    mel = torch.randn(1, 1, 80, TINY.window_columns)
    with torch.no_grad():
        mouth, phones = net.forward_with_phones(mel)
        assert torch.equal(mouth, net(mel))
    assert phones.shape == (1, 4, 40, 1)


def test_load_when_saved_then_same_output(tmp_path):
    net = _net()
    save_speech_encoder(tmp_path, net, {"held_out": {"opening_160": 0.9}})
    mel = torch.randn(1, 1, 80, TINY.window_columns)
    with torch.no_grad():
        assert torch.equal(load_speech_encoder(tmp_path)(mel), net(mel))


def test_load_when_trained_on_another_mel_then_error(tmp_path):
    save_speech_encoder(tmp_path, _net(), {})
    about = json.loads((tmp_path / "speech.json").read_text())
    (tmp_path / "speech.json").write_text(json.dumps({**about, "mel_fingerprint": "0"}))
    with pytest.raises(StudioError, match="another mel"):
        load_speech_encoder(tmp_path)


def test_load_when_weights_are_truncated_then_error(tmp_path):
    save_speech_encoder(tmp_path, _net(), {})
    file = tmp_path / "speech.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StudioError, match=r"(?i)train"):
        load_speech_encoder(tmp_path)
