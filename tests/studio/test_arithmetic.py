"""The arithmetic of networks: chosen by the processor, overridden by a flag, stored and kept by a run."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError  # noqa: E402
from avatar_app.studio import arithmetic, run_all  # noqa: E402
from avatar_app.studio.arithmetic import AUTO, BF16, FP32  # noqa: E402
from avatar_app.studio.cli import COMMANDS  # noqa: E402
from avatar_app.studio.cli import main as studio  # noqa: E402
from avatar_app.studio.ledger import Ledger  # noqa: E402
from avatar_app.studio.metrics.student_scores import expert_distances  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert  # noqa: E402
from avatar_app.studio.recipe import Step  # noqa: E402
from avatar_app.studio.run_all import Pipeline, with_arithmetic  # noqa: E402
from avatar_app.studio.train import speech_encoder  # noqa: E402
from avatar_app.studio.train.run_folder import RunFolder, arithmetic_of  # noqa: E402
from tests.studio.tiny_dataset import tiny_dataset  # noqa: E402

pytestmark = pytest.mark.studio
REPO = Path(__file__).parents[2]
CPU = torch.device("cpu")
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


@pytest.mark.parametrize(("bf16_s", "fp32_s", "name"), [(0.2, 0.3, BF16), (0.3, 0.2, FP32)])
def test_native_when_a_step_was_timed_then_what_was_faster_undisturbed(monkeypatch, bf16_s, fp32_s, name):
    times = {BF16: [9.0, bf16_s], FP32: [fp32_s, 9.0]}
    monkeypatch.setattr(arithmetic, "step_seconds", lambda: times)
    assert arithmetic.native.__wrapped__("cpu") == name
    assert arithmetic.native.__wrapped__("cuda") == BF16


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86 processor")
def test_native_when_the_processor_has_avx2_alone_then_float32():
    code = "from avatar_app.studio import arithmetic; print(arithmetic.in_use('cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, env={**os.environ, **AVX2}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "fp32\n"


def test_step_seconds_when_measured_then_torchs_chance_is_untouched_and_training_may_be_off():
    before = torch.get_rng_state()
    with torch.no_grad():
        times = arithmetic.step_seconds()
    assert {len(taken) for taken in times.values()} == {arithmetic.N_ROUNDS}
    assert torch.equal(torch.get_rng_state(), before)


def test_autocast_when_an_arithmetic_is_in_use_then_a_network_computes_in_it():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    found = []
    for name, enabled in ((BF16, True), (BF16, False), (FP32, True)):
        with arithmetic.using(name), arithmetic.autocast(CPU, enabled=enabled):
            found.append(layer(x).dtype)
    assert found == [torch.bfloat16, torch.float32, torch.float32]


def test_using_when_it_ends_then_the_choice_before_it_holds():
    with arithmetic.using(BF16):
        with arithmetic.using(FP32):
            assert arithmetic.in_use("cpu") == FP32
        assert arithmetic.in_use("cpu") == BF16
    assert arithmetic.in_use("cpu") == arithmetic.native("cpu")


def test_networks_when_they_compute_then_all_ask_one_module_for_the_arithmetic():
    files = (REPO / "avatar_app" / "studio").rglob("*.py")
    own = {file.name for file in files if re.search(r"torch\.(cpu\.amp\.)?autocast\b|bfloat16", file.read_text())}
    assert own == {"arithmetic.py"}


def test_evaluation_when_an_arithmetic_is_in_use_then_the_expert_computes_in_it_and_says_nearly_the_same():
    torch.manual_seed(0)
    expert, scene = SyncExpert().eval(), tiny_dataset().test[0]
    found = {}
    for name in (BF16, FP32):
        with arithmetic.using(name):
            found[name] = expert_distances(expert, scene)
    assert 0 < np.abs(found[BF16] - found[FP32]).max() < 0.02


@pytest.mark.parametrize("words", [c.words for c in COMMANDS if c.words[0] in ("train", "distil", "evaluate", "all")])
def test_commands_when_they_train_or_evaluate_then_have_the_flag(words, capsys):
    with pytest.raises(SystemExit):
        studio([*words, "--help"])
    assert "--arithmetic {auto,bf16,fp32}" in re.sub(r"\s+", " ", capsys.readouterr().out)


def _train(data, run, n_steps, *more):
    small = ["--width", "8", "--dilations", "1", "--n-examples", "2", "--n-outputs", "16", "--n-steps", str(n_steps)]
    return speech_encoder.main(["--data", str(data), "--run", str(run), "--cache", str(data / "cache"), *small, *more])


def _noted(run):
    return json.loads((run / "request.json").read_text())["arithmetic"]


def test_run_when_continued_then_keeps_its_arithmetic_until_the_flag_names_another(data, tmp_path, monkeypatch, caplog):
    seen = []
    learn = speech_encoder.SpeechTask.step
    monkeypatch.setattr(
        speech_encoder.SpeechTask,
        "step",
        lambda self, *rest: seen.append(arithmetic.in_use("cpu")) or learn(self, *rest),
    )
    monkeypatch.setattr(arithmetic, "native", lambda _: BF16)
    _train(data, tmp_path, 1)
    assert _noted(tmp_path) == {"0": BF16}
    monkeypatch.setattr(arithmetic, "native", lambda _: FP32)
    _train(data, tmp_path, 2)
    assert _noted(tmp_path) == {"0": BF16}
    assert "This run began in bf16, which this processor emulates" in caplog.text
    _train(data, tmp_path, 3, "--arithmetic", "fp32")
    caplog.clear()
    _train(data, tmp_path, 4)
    # A finished run has no further steps.
    _train(data, tmp_path, 4, "--arithmetic", "bf16")
    assert _noted(tmp_path) == {"0": BF16, "2": FP32}
    assert seen == [BF16, BF16, FP32, FP32]
    assert "emulates" not in caplog.text


def test_note_when_a_kill_took_steps_back_then_their_arithmetic_is_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.open_request({}, seed=0)
    for step, name in ((0, BF16), (150, FP32), (100, FP32), (200, FP32)):
        folder.note_arithmetic(step, name)
    assert _noted(tmp_path) == {"0": BF16, "100": FP32}


def test_arithmetic_of_when_the_parts_of_a_run_agree_then_that_one_and_else_none(tmp_path):
    assert arithmetic_of(tmp_path) is None
    for part, names in (("decoder", [BF16]), ("encoder", [FP32, BF16])):
        folder = RunFolder(tmp_path / part)
        folder.open_request({}, seed=0)
        for step, name in enumerate(names):
            folder.note_arithmetic(step, name)
    assert arithmetic_of(tmp_path) == BF16
    RunFolder(tmp_path / "decoder").note_arithmetic(5, FP32)
    assert arithmetic_of(tmp_path) is None


@pytest.mark.parametrize("noted", [{"0": "int3"}, {"first": FP32}, [FP32]])
def test_arithmetic_of_when_the_request_is_damaged_then_error(tmp_path, noted):
    (tmp_path / "request.json").write_text(json.dumps({"config": {}, "seed": 0, "arithmetic": noted}))
    with pytest.raises(StudioError, match=r"request.json cannot be read.*new run folder"):
        arithmetic_of(tmp_path)


def test_arithmetic_of_when_an_older_version_wrote_the_request_then_none(tmp_path):
    (tmp_path / "request.json").write_text(json.dumps({"config": {}, "seed": 0}))
    assert arithmetic_of(tmp_path) is None


def test_all_when_an_arithmetic_is_named_then_steps_that_compute_get_it_and_the_recipe_stays_the_same(
    data, tmp_path, monkeypatch
):
    steps = [Step("a", ("train", "speech-encoder")), Step("b", ("publish", "nova-hd")), Step("c", ("evaluate",))]
    monkeypatch.setattr(run_all, "whole_recipe", lambda *_, **__: steps)
    Pipeline(steps[:1], Ledger(tmp_path), 1, lambda step: None).run()
    done = []
    monkeypatch.setattr(run_all, "launch", lambda step: done.append(step.words))
    assert run_all.main(["--data", str(data), "--run", str(tmp_path), "--jobs", "2", "--arithmetic", "fp32"]) == 0
    assert sorted(done) == [("evaluate", "--arithmetic", "fp32"), ("publish", "nova-hd")]
    assert with_arithmetic(steps[0], AUTO) == steps[0]
