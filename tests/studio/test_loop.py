"""The training loop: a killed run continues to the same weights, and a diverged run stops with an error."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, set_rate, train, update_average
from avatar_app.studio.train.run_folder import RunFolder

pytestmark = pytest.mark.studio


class KilledError(Exception):
    """Stands for `kill -9` between two steps."""


class TinyTask:
    """A small network with dropout, an average and AdamW."""

    def __init__(self, kill_at=None, diverge_at=None):
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.kill_at, self.diverge_at = kill_at, diverge_at

    def modules(self):
        return {"net": self.net, "average": self.average}

    def optimizers(self):
        return {"adamw": self.optimizer}

    def step(self, index, n_steps, rng):
        if index == self.kill_at:
            raise KilledError
        set_rate(self.optimizer, cosine_rate(index, n_steps, 1e-2, n_warmup=3))
        x = torch.from_numpy(rng.standard_normal((16, 4)).astype(np.float32))
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        update_average(self.average, self.net, 0.9)
        return {"loss": float("nan") if index == self.diverge_at else loss.item()}

    def evaluate(self):
        return {"bias": float(self.net[3].bias.item())}


PLAN = LoopPlan(n_steps=20, log_steps=4, checkpoint_steps=5, evaluate_steps=10, seed=7)


def test_train_when_killed_and_continued_then_same_weights(tmp_path):
    whole = TinyTask()
    train(whole, RunFolder(tmp_path / "whole"), PLAN)
    with pytest.raises(KilledError):
        train(TinyTask(kill_at=13), RunFolder(tmp_path / "cut"), PLAN)
    continued = TinyTask()
    train(continued, RunFolder(tmp_path / "cut"), PLAN)
    for name in ("net", "average"):
        for key, value in whole.modules()[name].state_dict().items():
            assert torch.equal(value, continued.modules()[name].state_dict()[key]), (name, key)


def test_train_when_killed_and_continued_then_metrics_hold_each_step_once(tmp_path):
    with pytest.raises(KilledError):
        train(TinyTask(kill_at=13), RunFolder(tmp_path), PLAN)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1')
    train(TinyTask(), RunFolder(tmp_path), PLAN)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [4, 8, 12, 16, 20]
    assert [line["step"] for line in lines if "held_out_bias" in line] == [10, 20]


def test_train_when_loss_is_not_finite_then_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(StudioError, match="the loss is not finite"):
        train(TinyTask(diverge_at=12), RunFolder(tmp_path), PLAN)
    continued = TinyTask()
    train(continued, RunFolder(tmp_path), PLAN)
    assert all(torch.isfinite(p).all() for p in continued.net.parameters())


def test_train_when_a_step_gives_invalid_weights_then_stops_before_they_are_saved(tmp_path):
    task = TinyTask()
    learn = task.step

    def invalidate(index, *rest):
        parts = learn(index, *rest)
        if index == 14:
            task.net[3].bias.data.fill_(float("nan"))
        return parts

    task.step = invalidate
    with pytest.raises(StudioError, match=r"step 15: its weights are not finite"):
        train(task, RunFolder(tmp_path), PLAN)
    continued = TinyTask()
    train(continued, RunFolder(tmp_path), PLAN)
    assert all(torch.isfinite(p).all() for p in continued.net.parameters())


def test_train_when_the_run_has_more_steps_already_then_error(tmp_path):
    train(TinyTask(), RunFolder(tmp_path), PLAN)
    with pytest.raises(StudioError, match="20 steps, more than the requested 10"):
        train(TinyTask(), RunFolder(tmp_path), replace(PLAN, n_steps=10))


def test_train_when_it_reports_progress_then_with_step_and_time_left(tmp_path):
    lines = []
    train(TinyTask(), RunFolder(tmp_path), PLAN, lines.append)
    assert lines[0].startswith("step 4 of 20, loss ")
    assert lines[0].endswith("left")


def test_open_request_when_settings_differ_then_error_names_them(tmp_path):
    folder = RunFolder(tmp_path)
    folder.open_request({"width": 8, "n_steps": 5}, seed=1)
    folder.open_request({"width": 8, "n_steps": 9}, seed=1)
    with pytest.raises(StudioError, match=r"\(seed, width\)"):
        folder.open_request({"width": 9, "n_steps": 5}, seed=2)


def test_train_when_checkpoint_is_damaged_then_error(tmp_path):
    train(TinyTask(), RunFolder(tmp_path), PLAN)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(StudioError, match="cannot be read"):
        train(TinyTask(), RunFolder(tmp_path), PLAN)


def test_train_when_files_may_not_grow_then_last_checkpoint_stays_and_the_run_continues(tmp_path):
    with pytest.raises(KilledError):
        train(TinyTask(kill_at=7), RunFolder(tmp_path), PLAN)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(StudioError, match=r"cannot be written.*Free some space"):
            train(TinyTask(), RunFolder(tmp_path), PLAN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept
    task = TinyTask()
    train(task, RunFolder(tmp_path), PLAN)
    whole = TinyTask()
    train(whole, RunFolder(tmp_path / "whole"), PLAN)
    assert all(torch.equal(a, b) for a, b in zip(task.net.parameters(), whole.net.parameters(), strict=True))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_metrics_when_the_disk_is_full_then_error_names_the_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoint_file.write_bytes(b"")
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(StudioError, match=r"last good checkpoint is .*checkpoint.safetensors"):
        folder.append_metrics({"step": 1})
