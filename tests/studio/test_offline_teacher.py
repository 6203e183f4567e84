"""The offline speech teacher, and the speech encoder that learns from it, briefly on synthetic voices."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data import teacher_inputs as inputs_module
from avatar_app.studio.data.features import registry
from avatar_app.studio.data.speech_corpus import librispeech_recordings, load_voices
from avatar_app.studio.data.teacher_batches import HeardUtterance, draw_segments
from avatar_app.studio.data.teacher_inputs import teacher_inputs, usable_features
from avatar_app.studio.data.utterances import make_utterance
from avatar_app.studio.mouth import PHONES, REST, Phone
from avatar_app.studio.nets.offline_teacher import (
    OfflineTeacher,
    OfflineTeacherShape,
    load_offline_teacher,
    save_offline_teacher,
)
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, SpeechEncoderShape
from avatar_app.studio.train import offline_speech_teacher as module
from avatar_app.studio.train import soft_targets, speech_encoder
from avatar_app.studio.train.norm_statistics import fit_norm_statistics, merge_norms
from avatar_app.studio.train.soft_targets import SoftTargetPlan, with_soft_targets

pytestmark = pytest.mark.studio
SIZES = ["--width", "8", "--n-layers", "1", "--n-examples", "2", "--n-rows", "20", "--features", "mel"]


def _run(data, run, *more):
    return module.main(["--data", str(data), "--run", str(run), "--cache", str(data / "cache"), *SIZES, *more])


def _teacher(folder, mouth=0.5, phone="aa"):
    """A teacher that always gives one mouth and one phone."""
    net = OfflineTeacher(OfflineTeacherShape(n_inputs=160, width=4, n_layers=1))
    with torch.no_grad():
        for parameter in (*net.mouth.parameters(), *net.phones.parameters()):
            parameter.zero_()
        net.mouth.bias.fill_(mouth)
        net.phones.bias[PHONES.index(phone) :: len(PHONES)] = 9.0
    save_offline_teacher(folder, net, ("mel",), {"recipe": {"n_steps": 1}})
    return folder


def test_teacher_when_trained_briefly_then_writes_weights_features_and_scores(data, tmp_path):
    assert _run(data, tmp_path / "run", "--n-steps", "4") == 0
    net, features = load_offline_teacher(tmp_path / "run" / "best")
    assert (features, net.shape.n_inputs) == (("mel",), 160)
    mouth, phones = net(torch.zeros(2, 7, 160))
    assert (mouth.shape, phones.shape) == ((2, 14, 14), (2, 40, 14))
    about = json.loads((tmp_path / "run" / "best" / "teacher.json").read_text())
    assert {"opening", "all", "sealed"} <= set(about["held_out"]) & set(about["test"])


def test_teacher_when_stopped_and_continued_then_same_weights(data, tmp_path, monkeypatch):
    assert _run(data, tmp_path / "whole", "--n-steps", "4") == 0
    step = module.TeacherTask.step

    def dying_step(self, index, n_steps, rng):
        if index == 3:
            raise KeyboardInterrupt
        return step(self, index, n_steps, rng)

    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.TeacherTask, "step", dying_step)
        _run(data, tmp_path / "cut", "--n-steps", "4")
    assert _run(data, tmp_path / "cut", "--n-steps", "4") == 0
    whole, cut = (load_offline_teacher(tmp_path / name / "best")[0].state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_teacher_when_trained_longer_then_loss_falls(data, tmp_path):
    _run(data, tmp_path / "run", "--n-steps", "100", "--peak-rate", "0.01")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["shape"] for line in lines if "shape" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_net_when_rows_become_values_then_two_after_each_other():
    net = OfflineTeacher(OfflineTeacherShape(n_inputs=3, width=4, n_layers=1)).eval()
    with torch.no_grad():
        net.mouth.weight.zero_()
        net.mouth.bias.copy_(torch.arange(28))
    mouth = net(torch.zeros(1, 2, 3))[0]
    assert mouth[0, 0].tolist() == [0, 14, 0, 14]
    assert mouth[0, :, 0].tolist() == list(range(14))


def test_net_when_standardized_then_inputs_are_scaled():
    net = OfflineTeacher(OfflineTeacherShape(n_inputs=2, width=4, n_layers=1)).eval()
    seen = []
    net.front.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    net.standardize(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 0.0]))
    net(torch.tensor([[[5.0, 2.001]]]))
    torch.testing.assert_close(seen[0], torch.tensor([[[2.0, 1.0]]]), atol=1e-3, rtol=1e-3)


def test_inputs_when_features_differ_in_rate_then_rows_of_20_ms(monkeypatch):
    class Peaks:
        rate_hz, width = 50.0, 2

        def rows(self, samples):
            return np.full((int(np.ceil(len(samples) / 320)), 2), -12, dtype=np.float32)

    monkeypatch.setitem(registry._EXTRACTORS, "phonemes", Peaks)
    registry._extractor.cache_clear()
    found = teacher_inputs(np.zeros(16_001, dtype=np.float32), ("mel", "phonemes"), None)
    registry._extractor.cache_clear()
    assert found.shape == (51, 162)
    assert (found[:, 160:] == -8).all()


def test_usable_features_when_packages_are_missing_then_mel_alone(monkeypatch):
    monkeypatch.setattr(inputs_module.features, "is_available", lambda name: name == "mel")
    assert usable_features() == ("mel",)


def test_segments_when_drawn_then_targets_fit_the_rows():
    utterance = make_utterance("a", np.zeros(16_000, dtype=np.float32), [Phone("aa", 0.5, 1.0)], 0.25)
    rows = np.arange(50, dtype=np.float16)[:, None]
    batch = draw_segments([HeardUtterance(rows, utterance)], 3, 10, 0.0, np.random.default_rng(0))
    first = batch.inputs[:, 0, 0].long()
    assert batch.trust.tolist() == [0.25] * 3
    for k in range(3):
        at = 2 * int(first[k])
        np.testing.assert_array_equal(batch.mouth[k, 0].T, utterance.mouth[at : at + 20])
        np.testing.assert_array_equal(batch.phones[k, 0], utterance.phones[at : at + 20])


def test_segments_when_longer_than_the_sound_then_the_end_is_held():
    utterance = make_utterance("a", np.zeros(1600, dtype=np.float32), [], 1.0)
    batch = draw_segments(
        [HeardUtterance(np.ones((5, 1), np.float16), utterance)], 1, 10, 0.5, np.random.default_rng(0)
    )
    assert (batch.inputs == 1).all()
    assert batch.mouth.shape == (1, 1, 14, 20)


@pytest.fixture
def corpus(data):
    entries = json.loads((data / "speech" / "librispeech" / "phones.json").read_text())
    for name in list(entries)[-3:]:
        entries[name]["trust"] = "low"
    (data / "speech" / "librispeech" / "phones.json").write_text(json.dumps(entries))
    return load_voices(data / "speech" / "librispeech", data / "cache").corpus


def test_soft_targets_when_phones_are_known_then_mixed_and_when_uncertain_then_the_teachers(data, tmp_path, corpus):
    plan = SoftTargetPlan(_teacher(tmp_path / "teacher"), share=0.25)
    found = with_soft_targets(corpus, data / "speech" / "librispeech", plan, tmp_path / "cache")
    assert [u.name for u in found.real] == [u.name for u in corpus.real]
    known = [pair for pair in zip(corpus.real, found.real, strict=True) if pair[0].trust == 1]
    unsure = [u for u, before in zip(found.real, corpus.real, strict=True) if before.trust < 1]
    assert len(known) >= 1 <= len(unsure)
    for before, after in known:
        np.testing.assert_allclose(after.mouth, 0.75 * before.mouth + 0.125, atol=1e-6)
        np.testing.assert_array_equal(after.phones, before.phones)
    for u in unsure:
        assert u.trust == 1
        assert (u.mouth == 0.5).all()
        assert (u.phones == PHONES.index("aa")).all()


def test_soft_targets_when_there_are_sounds_then_further_voices(data, tmp_path, corpus):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    soundfile.write(sounds / "joe.wav", np.zeros(8000), 16_000)
    plan = SoftTargetPlan(_teacher(tmp_path / "teacher", mouth=0.9), sounds=(sounds,))
    found = with_soft_targets(corpus, data / "speech" / "librispeech", plan, tmp_path / "cache")
    assert [u.name for u in found.synthetic] == ["joe"]
    assert found.synthetic[0].mouth.shape == (50, 14)
    np.testing.assert_allclose(found.synthetic[0].mouth, 0.9, atol=1e-6)
    assert soft_targets.facts_of(plan) == {
        "offline_teacher": {"recipe": {"n_steps": 1}}, "teacher_share": 0.5, "n_sounds": 1,
    }  # fmt: skip


def test_soft_targets_when_a_folder_has_no_sound_then_one_sentence(data, tmp_path, corpus):
    plan = SoftTargetPlan(_teacher(tmp_path / "teacher"), sounds=(tmp_path,))
    with pytest.raises(StudioError, match="There is no sound in"):
        with_soft_targets(corpus, data / "speech" / "librispeech", plan, tmp_path / "cache")


def test_soft_targets_when_the_teacher_is_missing_then_one_sentence(data, tmp_path, corpus):
    with pytest.raises(StudioError, match=r"The offline teacher in .* cannot be read"):
        with_soft_targets(corpus, data / "speech" / "librispeech", SoftTargetPlan(tmp_path), tmp_path / "cache")


ENCODER = ["--width", "8", "--dilations", "1", "1", "--n-examples", "2", "--n-outputs", "16", "--n-steps", "3"]


def test_encoder_when_distilled_then_its_facts_name_the_teacher_and_the_encoder_before(data, tmp_path):
    common = ["--data", str(data), "--cache", str(data / "cache"), *ENCODER, "--correlation-weight", "0.5"]
    common += ["--begin-share", "0.5", "--readout-batches", "2"]
    teacher = ["--offline-teacher", str(_teacher(tmp_path / "teacher"))]
    assert speech_encoder.main([*common, "--run", str(tmp_path / "first")]) == 0
    begin = ["--begin", str(tmp_path / "first" / "best")]
    assert speech_encoder.main([*common, *begin, *teacher, "--run", str(tmp_path / "run")]) == 0
    recipe = json.loads((tmp_path / "run" / "best" / "speech.json").read_text())["recipe"]
    assert recipe["offline_teacher"] == {"recipe": {"n_steps": 1}}
    assert recipe["started_from"]["recipe"]["n_steps"] == 3
    assert str(tmp_path) not in json.dumps(recipe)


def test_encoder_when_it_begins_with_another_then_it_computes_the_same(data):
    voices = speech_encoder.load_data(data, data / "cache")
    recipe = speech_encoder.SpeechRecipe(width=8, dilations=(1, 1), n_examples=2, n_outputs=16)
    before = speech_encoder.SpeechTask(voices, recipe, seed=0).net.eval()
    task = speech_encoder.SpeechTask(voices, replace(recipe, width=16), seed=1, begin=before)
    assert task.net.shape == before.shape
    mel = torch.rand(2, 1, 80, 20, generator=torch.Generator().manual_seed(0))
    for net in (task.net, task.average):
        assert net is not before
        torch.testing.assert_close(net(mel), before(mel), atol=1e-5, rtol=1e-4)


def test_norms_when_merged_then_the_same_in_evaluation_and_nearly_in_training():
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(4)
    nn.init.normal_(norm.weight, 1.0)
    nn.init.normal_(norm.bias)
    net = nn.Sequential(nn.Conv1d(3, 4, 1), norm, nn.ReLU(), nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4)).eval()
    batches = [5 + 3 * torch.randn(8, 3, 50) for _ in range(4)]
    before = net(batches[0])
    assert (net.train()(batches[0]) - before).abs().max() > 1
    for each in (norm, net[4]):
        each.reset_running_stats()
    fit_norm_statistics(net, batches)
    torch.testing.assert_close(net(batches[0]), before, atol=1e-4, rtol=1e-3)
    assert (net.train()(batches[0]) - before).abs().mean() < 0.1 * before.std()


def test_norms_when_merged_then_the_output_stays():
    torch.manual_seed(0)
    net = SpeechEncoder(SpeechEncoderShape(width=8, dilations=(1,), front_widths=(4, 4, 4)))
    mel = torch.randn(2, 1, 80, 30)
    net.train()(mel)
    before = net.eval()(mel)
    merge_norms(net)
    torch.testing.assert_close(net(mel), before, atol=1e-5, rtol=1e-4)


def test_encoder_when_mixed_with_its_begin_then_between_both(data):
    voices = speech_encoder.load_data(data, data / "cache")
    recipe = speech_encoder.SpeechRecipe(width=8, dilations=(1, 1), n_examples=2, n_outputs=16)
    begin = speech_encoder.SpeechTask(voices, recipe, seed=0).net.eval()
    task = speech_encoder.SpeechTask(voices, recipe, seed=0, begin=begin)
    with torch.no_grad():
        task.average.mouth.bias.add_(1.0)
    mel = torch.rand(1, 1, 80, 20, generator=torch.Generator().manual_seed(0))
    before = begin(mel)
    task.mix_with_begin(0.25)
    torch.testing.assert_close(task.average(mel), before + 0.75, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(begin(mel), before)
    task.mix_with_begin(1.0)
    torch.testing.assert_close(task.average(mel), before, atol=1e-4, rtol=1e-4)


def test_encoder_when_sounds_have_neither_phones_nor_a_teacher_then_one_sentence(data, tmp_path):
    soundfile.write(tmp_path / "joe.wav", np.zeros(8000), 16_000)
    with pytest.raises(StudioError, match="need a teacher"):
        speech_encoder.main(["--data", str(data), "--run", str(tmp_path / "run"), *ENCODER, "--sounds", str(tmp_path)])


def test_soft_targets_when_sounds_have_phone_times_then_no_teacher_is_needed(data, corpus, tmp_path):
    speech = data / "speech" / "librispeech"
    plan = SoftTargetPlan(sounds=(speech,))
    found = with_soft_targets(corpus, speech, plan, tmp_path)
    assert found.real == list(corpus.real)
    assert len(found.synthetic) == 30
    np.testing.assert_array_equal(found.synthetic[-1].mouth, corpus.real[-1].mouth)
    assert soft_targets.facts_of(plan) == {"n_sounds": 30}


def test_fixture_when_read_then_silence_is_rest(corpus, data):
    assert len(librispeech_recordings(data / "speech" / "librispeech")) == 30
    np.testing.assert_allclose(corpus.real[0].mouth[0], REST, atol=0.05)
