"""Adapting the speech encoder to a person: a small network, sounds whose level is the opening of the mouth."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.utterances import make_utterance
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, soft_alignment, soft_dtw
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.speech_encoder import (
    SpeechEncoder,
    SpeechEncoderShape,
    load_speech_encoder,
    save_speech_encoder,
)
from avatar_app.studio.train import person_encoder
from avatar_app.studio.train.person_data import at_pictures, utterance_of
from avatar_app.studio.train.person_encoder import (
    PRESETS,
    PersonRecipe,
    PersonTask,
    adapt_encoder,
    alignment_loss,
    fitted_start,
    prepare,
    validation_error,
)
from avatar_app.studio.train.person_first_step import layer_of, own_samples, quiet_samples, synthetic_samples
from avatar_app.studio.train.person_head import (
    HeadData,
    fit_aligned,
    fit_head,
    fit_truncated,
    head_error,
    importance_of,
)

N_PICTURES = 50
RECIPE = PersonRecipe(n_steps=3, n_examples=2, n_outputs=12, n_synthetic=1)


@dataclass(frozen=True)
class Sentence:
    """A tone that comes and goes; the jaw opens with it."""

    name: str
    split: Split
    seed: int
    tempo: float = 1.0
    text: str = "hello"
    usable_ratio: float = 1.0

    @property
    def is_usable(self):
        return np.arange(N_PICTURES) < self.usable_ratio * N_PICTURES

    def _open(self, t_s):
        return np.clip(np.sin((t_s * self.tempo + 0.2 * self.seed) * 7.0), 0, 1)

    def mouth(self):
        mouth = np.tile(REST, (N_PICTURES, 1)).astype(np.float32)
        mouth[:, 0] = 0.6 * self._open((np.arange(N_PICTURES) + 0.5) / 25)
        return mouth

    def samples(self):
        t_s = np.arange(N_PICTURES * 640) / 16_000
        noise = np.random.default_rng(self.seed).standard_normal(len(t_s))
        return (0.1 * self._open(t_s) * noise + 1e-4 * noise).astype(np.float32)


def sentences(n_train=4):
    train = [Sentence(f"train {k}", Split.TRAIN, k) for k in range(n_train)]
    return [*train, Sentence("validation", Split.VALIDATION, 8), Sentence("test", Split.TEST, 9)]


def slower(text):
    """A synthetic voice of another tempo."""
    return Sentence("voice", Split.TRAIN, 0, tempo=0.8).samples()


@pytest.fixture(autouse=True)
def few_noises(monkeypatch):
    rng = np.random.default_rng(0)
    noise = [make_utterance("noise", (0.01 * rng.standard_normal(70_000)).astype(np.float32), (), 1.0)]
    monkeypatch.setattr(person_encoder, "quiet_utterances", lambda: noise)
    torch.set_num_threads(1)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return SpeechEncoder(SpeechEncoderShape(width=24, dilations=(1, 1), dropout=0.0, front_widths=(4, 6, 8))).eval()


@pytest.fixture
def start(net, tmp_path):
    save_speech_encoder(tmp_path / "start", net, {})
    return tmp_path / "start"


def data_of(tmp_path, speak=(), n_train=4):
    found = sentences(n_train)
    return prepare(found, [one.text for one in found], speak, tmp_path)


def test_utterance_then_keeps_the_instants_of_the_pictures():
    sentence = Sentence("a", Split.TRAIN, 1)
    utterance = utterance_of(sentence)
    assert len(utterance.mouth) == 200
    # Curve values 1 and 2 lie 5 ms before and after the middle of picture 0.
    assert utterance.mouth[101:103].mean(0) == pytest.approx(sentence.mouth()[25], abs=0.004)


def test_at_pictures_then_reads_the_instant_after_the_lookahead():
    # Output n belongs to n / 40 s before the look-ahead is subtracted.
    outputs = torch.arange(100, dtype=torch.float32)
    assert at_pictures(outputs, 3, 0).tolist() == pytest.approx([0.8, 2.4, 4.0])
    assert at_pictures(outputs, 1, 160).item() == pytest.approx(7.2)


def test_fit_head_then_follows_the_person_and_a_high_penalty_changes_nothing(net, tmp_path):
    data = data_of(tmp_path)
    held_out, layer = own_samples(net, data.validation)[0], layer_of(net, 0)
    loose, tight = fit_head(layer, HeadData(own_samples(net, data.own)[0]), (0.01, 1e6))
    assert head_error(loose, held_out) < 0.4 * head_error(layer, held_out)
    assert torch.allclose(tight.weight, layer.weight, atol=1e-3)


def test_fit_head_with_quiet_sounds_then_the_mouth_rests_in_them(net, tmp_path):
    data = data_of(tmp_path)
    own, quiet = own_samples(net, data.own)[0], quiet_samples(net, data.quiet)[0]
    with_quiet, without = (
        fit_head(layer_of(net, 0), HeadData(own, quiet, quiet_share=share), [0.1])[0] for share in (10.0, 0.0)
    )
    assert head_error(with_quiet, quiet) < 0.7 * head_error(without, quiet)


def test_fit_aligned_then_is_better_than_truncated_for_another_tempo(net, tmp_path):
    data = data_of(tmp_path, [slower], n_train=2)
    own, synthetic = own_samples(net, data.own)[0][:1], synthetic_samples(net, data.synthetic)[0][:1]
    head, layer = HeadData(own, (), synthetic, sealed_boost=0.0), layer_of(net, 0)
    (start,) = fit_head(layer, head, [0.1])
    held_out = own_samples(net, data.validation)[0]
    aligned = fit_aligned(layer, start, head, 0.1, 1.0, SoftDtwOptions())
    truncated = fit_truncated(layer, head, 0.1, 1.0)
    assert head_error(aligned, held_out) < head_error(truncated, held_out)


def test_importance_then_is_higher_where_lips_close_in_speech():
    mouth = np.zeros((30, 14), np.float32)
    mouth[10:20, 0] = 0.5
    mouth[15, 0] = 0.0
    weight = importance_of(torch.from_numpy(mouth), 4.0)
    assert weight[15] == 5.0 and weight[12] == 1.0 and weight[0] == 1.0


def test_soft_alignment_then_is_the_gradient_of_soft_dtw_and_bounds_it():
    torch.manual_seed(1)
    x, y = torch.rand(2, 9, 3, dtype=torch.float64), torch.rand(2, 6, 3, dtype=torch.float64)
    options = SoftDtwOptions(gamma=0.1)
    alignment = soft_alignment(x, y, options=options)
    moved = x.clone().requires_grad_()
    soft_dtw(moved, y, options=options).sum().backward()
    expected = 2 * (alignment.sum(2, keepdim=True) * x - alignment @ y)
    assert torch.allclose(moved.grad, expected)
    assert torch.allclose(soft_alignment(y, x, options=options).mT, alignment)


def test_fitted_start_with_synthetic_voices_then_lowers_the_error(net, tmp_path):
    data = data_of(tmp_path, [slower])
    fitted, chosen = fitted_start(net, data, RECIPE)
    assert validation_error(fitted, data.validation) < 0.6 * validation_error(net, data.validation)
    assert chosen.penalty > 0


@pytest.mark.parametrize("is_aligned", [True, False])
def test_alignment_loss_then_only_soft_dtw_forgives_another_tempo(net, tmp_path, is_aligned):
    data = data_of(tmp_path, [slower], n_train=2)
    one = data.synthetic[0]
    # The exact motion of the slower voice, as outputs of every look-ahead.
    slow = replace(Sentence("voice", Split.TRAIN, 0, tempo=0.8)).mouth()
    instants = np.arange(120) / 40
    outputs = np.stack([
        np.stack([np.interp(instants - ms / 1000, (np.arange(N_PICTURES) + 0.5) / 25, row) for row in slow.T])
        for ms in (0, 40, 80, 160)
    ]).astype(np.float32)  # fmt: skip
    assert one.n_pictures >= 40
    loss = float(alignment_loss(torch.from_numpy(outputs)[None], [one], replace(RECIPE, is_aligned=is_aligned)))
    assert loss < 0.01 if is_aligned else loss > 0.015


def test_step_then_all_losses_are_finite_and_norms_keep_their_statistics(net, tmp_path):
    task = PersonTask(data_of(tmp_path, [slower]), RECIPE, net)
    before = {name: value.clone() for name, value in task.net.state_dict().items() if "running" in name}
    found = task.step(0, 3, np.random.default_rng(0))
    assert set(found) == {"loss", "own", "synthetic", "distil"}
    assert all(np.isfinite(value) for value in found.values())
    assert all(torch.equal(task.net.state_dict()[name], value) for name, value in before.items())


def test_adapt_then_writes_an_encoder_that_follows_the_person(start, tmp_path):
    calls = []
    best = adapt_encoder(
        sentences(), start, tmp_path / "run", RECIPE, speak=[slower], progress=lambda *counts: calls.append(counts)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    held_out = [utterance_of(sentences()[-1])]
    assert validation_error(load_speech_encoder(best), held_out) < 0.6 * validation_error(
        load_speech_encoder(start), held_out
    )
    facts = json.loads((best / "speech.json").read_text())
    assert facts["scores"]["quiet_motion_160"] >= 0 and facts["first_step"]["penalty"] > 0


def test_adapt_when_killed_then_continues_to_the_same_result(start, tmp_path):
    def stop(n_done, n_all):
        if n_done == 2:
            raise KeyboardInterrupt

    whole = adapt_encoder(sentences(), start, tmp_path / "whole", RECIPE, speak=[slower])
    with pytest.raises(KeyboardInterrupt):
        adapt_encoder(sentences(), start, tmp_path / "killed", RECIPE, speak=[slower], progress=stop)
    continued = adapt_encoder(sentences(), start, tmp_path / "killed", RECIPE, speak=[slower])
    a, b = (load_speech_encoder(folder).state_dict() for folder in (whole, continued))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_adapt_without_texts_or_validation_then_works(start, tmp_path):
    only = [replace(one, text="") for one in sentences() if one.split is Split.TRAIN]

    def fail(text):
        raise AssertionError("nothing to say")

    best = adapt_encoder(only, start, tmp_path / "run", replace(RECIPE, n_steps=1), speak=[fail])
    assert (best / "speech.safetensors").is_file()


def test_adapt_with_too_few_sentences_then_says_so(start, tmp_path):
    poor = [replace(one, usable_ratio=0.5) for one in sentences()]
    with pytest.raises(StudioError, match=r"0 sentences that can be used.*Record more sentences"):
        adapt_encoder(poor, start, tmp_path / "run", RECIPE)


def test_presets_then_have_every_quality():
    assert set(PRESETS) == {"quick", "good", "best"}
    assert PRESETS["quick"].n_steps < PRESETS["good"].n_steps
