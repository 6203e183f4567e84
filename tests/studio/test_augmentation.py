"""Augmentation of voices keeps the timing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_app.studio.data.augmentation import (
    AugmentationRanges,
    add_noise,
    augment,
    drop_masked,
    microphone_gain,
    reverberate,
    warp_voice,
)
from avatar_app.studio.data.mel import linear_magnitudes
from avatar_app.studio.data.speech_batches import BatchPlan, columns_at, draw_batch, mouth_at, targets_at
from avatar_app.studio.data.speech_corpus import Corpus
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.mouth import REST

pytestmark = pytest.mark.studio
STILL = AugmentationRanges(
    warp_probability=0, eq_db=0, band_probability=0, reverb_probability=0, noise_probability=0, level_db=(0, 0),
    mask_probability=0, codec_probability=0,
)  # fmt: skip


def _tone(f_hz, n=8000):
    t = np.arange(n) / 16000
    return torch.from_numpy(linear_magnitudes(np.sin(2 * np.pi * f_hz * t).astype(np.float32)))[None]


def _utterance(n_columns=200, seed=0):
    rng = np.random.default_rng(seed)
    n_values = n_columns * 100 // 80
    mouth = np.repeat(np.linspace(0, 1, n_values, dtype=np.float32)[:, None], 14, axis=1)
    magnitudes = rng.exponential(1.0, (n_columns, 401)).astype(np.float16)
    return Utterance("u", magnitudes, mouth, np.ones(n_values, dtype=np.int64), 0.5)


def test_warp_voice_when_pitch_rises_then_the_tone_moves_up():
    ranges = AugmentationRanges(pitch=(1.25, 1.25), formant=(1.0, 1.0))
    changed = warp_voice(_tone(1000), np.random.default_rng(0), ranges)
    assert abs(int(changed[0, 20].argmax()) - 62) <= 1


def test_reverberate_when_a_click_then_energy_follows_only():
    power = torch.zeros(1, 40, 401)
    power[:, 10] = 1.0
    out = reverberate(power, np.random.default_rng(0))
    assert torch.all(out[:, :10] == 0)
    assert torch.all(out[:, 11] > out[:, 20])
    assert torch.all(out[:, 20] > 0)


def test_drop_masked_when_a_bin_is_far_below_a_neighbour_then_it_is_zero():
    ranges = AugmentationRanges(codec_depth_db=(20.0, 20.0))
    power = torch.ones(1, 3, 401)
    power[0, 1, 100] = 200.0
    out = drop_masked(power, np.random.default_rng(0), ranges)
    assert torch.equal(out[:, ::2], power[:, ::2])
    assert torch.nonzero(out[0, 1] == 0).flatten().tolist() == [*range(85, 100), *range(101, 116)]


def test_augment_when_coded_then_only_bins_are_missing():
    voice = torch.rand(2, 40, 401, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(2, 40, 401)
    plain, coded = (
        augment(voice, nothing, nothing, np.random.default_rng(0), replace(STILL, codec_probability=p)) for p in (0, 1)
    )
    assert (coded <= plain).all()
    assert (coded < plain).any()


def test_add_noise_when_snr_is_set_then_the_powers_have_that_ratio():
    ranges = AugmentationRanges(noise_probability=1.0, babble_ratio=0.0, snr_db=(10.0, 10.0))
    voice, noise = torch.ones(2, 50, 401), torch.full((2, 50, 401), 3.0)
    out = add_noise(voice.clone(), noise, noise, np.random.default_rng(0), ranges)
    assert torch.allclose(out - voice, torch.tensor(0.1), atol=1e-3)


def test_add_noise_when_silent_then_noise_is_always_there():
    ranges = AugmentationRanges(noise_probability=0.0)
    out = add_noise(
        torch.zeros(1, 50, 401), torch.ones(1, 50, 401), torch.ones(1, 50, 401), np.random.default_rng(0), ranges
    )
    assert torch.all(out > 0)


def test_microphone_gain_when_no_response_then_one():
    assert torch.allclose(microphone_gain(2, np.random.default_rng(0), STILL), torch.tensor(1.0), atol=1e-5)


def test_augment_when_all_steps_are_on_then_in_range_and_finite():
    ranges = AugmentationRanges(
        warp_probability=1, band_probability=1, reverb_probability=1, noise_probability=1, mask_probability=1
    )
    x = _tone(440).repeat(3, 1, 1)
    mel = augment(x, torch.ones_like(x), torch.ones_like(x), np.random.default_rng(1), ranges)
    assert torch.isfinite(mel).all()
    assert float(mel.abs().max()) <= 4.0


def test_columns_at_when_outside_the_recording_then_silence():
    rows = np.ones((5, 401), dtype=np.float16)
    out = columns_at(rows, np.arange(-3.0, 8.0))
    assert np.all(out[:3] == 0)
    assert np.all(out[3:8] == 1)
    assert np.all(out[8:] == 0)


def test_mouth_at_when_outside_then_at_rest_and_inside_then_interpolated():
    mouth, phones = mouth_at(_utterance(), np.array([-1.0, 1.25, 9.0]))
    assert np.allclose(mouth[:, [0, 2]], REST[:, None])
    assert mouth[0, 1] == pytest.approx(124.5 / 249)
    assert phones.tolist() == [0, 1, 0]


def test_targets_at_when_tempo_doubles_then_the_lookahead_covers_twice_the_recording():
    plan = BatchPlan(n_outputs=4, window_columns=8)
    mouth, _ = targets_at(_utterance(), np.arange(plan.n_columns) * 2.0 + 60, plan)
    step = 100 / 249
    assert mouth[0, 0, 0] - mouth[3, 0, 0] == pytest.approx(2 * 0.160 * step, abs=1e-4)


def test_draw_batch_when_same_generator_then_same_batch():
    corpus = Corpus([_utterance()], [], [_utterance(400, 1)])
    plan = BatchPlan(n_examples=3, n_outputs=8, window_columns=16)
    one, two = (draw_batch(corpus, plan, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.mel, two.mel)
    assert one.mel.shape == (3, 1, 80, 30)
    assert one.mouth.shape == (3, 4, 14, 8)


def test_draw_batch_when_quiet_only_then_the_mouth_is_at_rest():
    corpus = Corpus([_utterance()], [], [_utterance(400, 1)])
    batch = draw_batch(corpus, BatchPlan(2, 8, 16, quiet_ratio=1.0), np.random.default_rng(0))
    assert torch.allclose(batch.mouth, torch.from_numpy(REST)[None, None, :, None].expand_as(batch.mouth))
    assert float(batch.mel.max()) > -4.0
