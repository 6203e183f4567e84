"""A short training of the speech encoder, on synthetic voices."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.mouth import Phone, curves_of
from avatar_app.studio.nets.speech_encoder import load_speech_encoder
from avatar_app.studio.train import speech_encoder as module
from avatar_app.studio.train.speech_encoder_score import Prediction, correlation, score_voices

pytestmark = pytest.mark.studio
SIZES = ["--width", "8", "--dilations", "1", "1", "--n-examples", "2", "--n-outputs", "16"]


def _run(data, run, *more):
    return module.main(["--data", str(data), "--run", str(run), "--cache", str(data / "cache"), *SIZES, *more])


def test_main_when_trained_briefly_then_writes_weights_and_scores(data, tmp_path):
    assert _run(data, tmp_path / "run", "--n-steps", "6") == 0
    net = load_speech_encoder(tmp_path / "run" / "best")
    about = json.loads((tmp_path / "run" / "best" / "speech.json").read_text())
    assert about["window_columns"] == net.shape.window_columns == 12
    assert {f"opening_{ms}" for ms in (0, 40, 80, 160)} <= set(about["held_out"]) & set(about["test"])


def test_main_when_stopped_and_continued_then_same_weights(data, tmp_path, monkeypatch):
    assert _run(data, tmp_path / "whole", "--n-steps", "6") == 0
    step = module.SpeechTask.step

    def dying_step(self, index, n_steps, rng):
        if index == 4:
            raise KeyboardInterrupt
        return step(self, index, n_steps, rng)

    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.SpeechTask, "step", dying_step)
        _run(data, tmp_path / "cut", "--n-steps", "6")
    assert _run(data, tmp_path / "cut", "--n-steps", "6") == 0
    whole, cut = (load_speech_encoder(tmp_path / name / "best").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_main_when_data_is_missing_then_error(tmp_path):
    with pytest.raises(StudioError, match="--data"):
        _run(tmp_path / "nothing", tmp_path / "run")


def test_task_when_trained_briefly_then_loss_falls(data, tmp_path):
    _run(data, tmp_path / "run", "--n-steps", "100", "--peak-rate", "0.005")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["shape"] for line in lines if "shape" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_score_voices_when_equal_then_perfect_and_when_flat_then_zero():
    true = curves_of([Phone("aa", 0, 0.5), Phone("m", 0.5, 0.6), Phone("aa", 0.6, 1)], 40, 40).T
    ground_truth = np.stack([true] * 4)
    phones = np.zeros((4, 40), dtype=np.int64)
    opening = np.zeros(14, dtype=np.float32)
    opening[0] = 26.0
    perfect = score_voices([Prediction("a", ground_truth, ground_truth, phones)], opening)
    flat = score_voices([Prediction("a", np.full_like(ground_truth, 0.5), ground_truth, phones)], opening)
    assert perfect["opening_160"] == pytest.approx(1.0)
    assert flat["opening_160"] == 0.0
    assert flat["gap_error_0"] > perfect["gap_error_0"] == 0.0


def test_correlation_when_opposed_then_minus_one():
    x = np.linspace(0, 1, 10)
    assert correlation(x, -x) == pytest.approx(-1.0)
