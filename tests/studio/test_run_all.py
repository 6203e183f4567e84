"""`studio all`: order of the steps, and continuation after a failure or a kill."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from avatar_app import cli
from avatar_app.contracts.errors import StudioError
from avatar_app.studio import ledger, run_all
from avatar_app.studio.cli import COMMANDS, find
from avatar_app.studio.ledger import STEPS_FILE, Ledger
from avatar_app.studio.recipe import Step, whole_recipe
from avatar_app.studio.run_all import Pipeline, data_folder, launch
from tests.fakes.recording import wait_until

REPO = Path(__file__).parents[2]
STEPS = [Step("a", ()), Step("b", (), ("a",)), Step("c", (), ("a",)), Step("d", (), ("b", "c"))]


def test_run_when_no_step_fails_then_each_runs_once_after_the_steps_it_needs(tmp_path):
    done = []
    Pipeline(STEPS, Ledger(tmp_path), 2, lambda step: done.append(step.name)).run()
    assert sorted(done) == ["a", "b", "c", "d"]
    assert done[0] == "a" and done[3] == "d"
    assert Ledger(tmp_path).finished == set("abcd")


def test_run_when_two_steps_are_ready_then_they_run_at_the_same_time(tmp_path):
    both = threading.Barrier(2, timeout=60)
    Pipeline(STEPS, Ledger(tmp_path), 2, lambda step: both.wait() if step.name in "bc" else None).run()


def test_run_when_a_step_is_alone_then_it_has_all_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    steps = [Step("a", ("train",)), Step("b", ("train",), ("a",)), Step("c", ("distil",), ("a",))]
    steps += [Step("d", ("distil", "x"), ("b", "c")), Step("e", ("publish",), ("d",))]
    done = {}
    Pipeline(steps, Ledger(tmp_path), 2, lambda step: done.update({step.name: step.words})).run()
    assert done["a"] == ("train", "--n-threads", "4") and done["d"] == ("distil", "x", "--n-threads", "4")
    assert (done["b"], done["c"], done["e"]) == (("train",), ("distil",), ("publish",))


def test_run_when_a_step_fails_then_no_other_starts_and_the_next_run_continues(tmp_path):
    done = []

    def work(step, broken="b"):
        if step.name == broken:
            raise StudioError("b broke.", "Mend it.")
        done.append(step.name)

    with pytest.raises(StudioError, match="b broke"):
        Pipeline(STEPS, Ledger(tmp_path), 1, work).run()
    assert "d" not in done
    Pipeline(STEPS, Ledger(tmp_path), 1, lambda step: work(step, "")).run()
    assert sorted(done) == ["a", "b", "c", "d"]


def test_run_when_killed_in_a_step_then_its_time_counts_and_the_next_run_adds_to_it(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    now_s, t_killed_s = [0.0], 1000.0
    monkeypatch.setattr(run_all, "SAVE_INTERVAL_S", 0.01)
    monkeypatch.setattr(ledger.time, "monotonic", lambda: now_s[0])

    def work(step):
        now_s[0] += 100
        if step.name == "b" and now_s[0] < t_killed_s:
            wait_until(lambda: Ledger(tmp_path).took_s["b"] == 100)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline(STEPS, Ledger(tmp_path), 1, work).run()
    kept = Ledger(tmp_path)
    assert kept.finished == {"a"} and kept.took_s == {"a": 100, "b": 100} and kept.clock_s == 200
    now_s[0] = t_killed_s
    Pipeline(STEPS, Ledger(tmp_path), 1, work).run()
    assert Ledger(tmp_path).took_s == {"a": 100, "b": 200, "c": 100, "d": 100}
    assert "All 4 steps are finished, after 0:08:20." in caplog.text


def test_run_when_a_step_had_another_command_then_error_and_a_moved_folder_is_accepted(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    step = Step("a", ("train", "--run", str(here / "a"), "--data", "one"))
    Pipeline([step], Ledger(here), 1, lambda _: None).run()
    other = Step("a", ("train", "--run", str(here / "a"), "--data", "two"))
    with pytest.raises(StudioError, match=r"step a of this run was another command.*--data one"):
        Pipeline([other], Ledger(here), 1, lambda _: None).run()
    moved = here.rename(tmp_path / "there")
    again = Step("a", ("train", "--run", str(moved / "a"), "--data", "one"))
    Pipeline([again], Ledger(moved), 1, lambda _: pytest.fail("it is finished")).run()


def test_run_when_the_disk_is_full_then_error(tmp_path, monkeypatch):
    kept = Ledger(tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StudioError, match="No space left on device"):
        Pipeline(STEPS, kept, 1, lambda _: None).run()


def test_ledger_when_damaged_then_error_with_advice(tmp_path):
    (tmp_path / STEPS_FILE).write_text('{"clock_s": 3}')
    with pytest.raises(StudioError, match=r"steps.json cannot be read.*Delete it"):
        Ledger(tmp_path)


def test_all_when_killed_then_its_steps_end_too(data, tmp_path):
    pytest.importorskip("torch", reason="needs the studio extra")
    command = [sys.executable, "-m", "avatar_app", "studio", "all", "--data", str(data), "--run", str(tmp_path / "r")]
    with subprocess.Popen([*command, "--jobs", "1"], stderr=subprocess.PIPE, text=True, cwd=REPO) as child:
        progress, first = child.stderr.readline(), child.stderr.readline()
        steps = psutil.Process(child.pid).children()
        child.kill()
    assert "steps are finished, about" in progress
    assert first.startswith("[speech-encoder] avatar-app studio train speech-encoder --data")
    _gone, alive = psutil.wait_procs(steps, timeout=60)
    assert not alive


def test_run_when_a_step_has_ended_then_reports_the_remaining_time(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    now_s = [0.0]
    monkeypatch.setattr(ledger.time, "monotonic", lambda: now_s[0])
    steps = [Step("a", (), (), 100), Step("b", (), ("a",), 50), Step("c", (), ("a",), 200), Step("d", (), ("b",), 100)]

    def work(step):
        if step.name == "b":
            raise StudioError("b broke.", "Mend it.")
        now_s[0] += 3 * step.cost_s

    with pytest.raises(StudioError, match="b broke"):
        Pipeline(steps, Ledger(tmp_path), 1, work).run()
    assert "0 of 4 steps are finished, about 0:07:30 left" in caplog.text
    assert "[a] finished after 0:05:00; 1 of 4 steps are finished, about 0:17:30 left" in caplog.text
    # Two at a time: b, then d, beside c.
    assert Pipeline(steps, Ledger(tmp_path), 2, work)._left_s() == 600


def test_launch_when_a_command_fails_then_error_has_its_last_line(caplog):
    caplog.set_level("INFO")
    with pytest.raises(StudioError, match="There is no studio command"):
        launch(Step("wrong", ("nonsense",)))
    assert "[wrong] " in caplog.text


def test_step_when_the_pipeline_is_killed_then_it_ends_too():
    code = (
        "import subprocess, sys, os\n"
        "from avatar_app.studio.run_all import PARENT_VARIABLE\n"
        "child = 'import threading; from avatar_app.studio import run_all; run_all.end_with_parent();'\n"
        "child += 'print(flush=True); threading.Event().wait()'\n"
        "env = {**os.environ, PARENT_VARIABLE: str(os.getpid())}\n"
        "step = subprocess.Popen([sys.executable, '-c', child], env=env, stdout=subprocess.PIPE)\n"
        "step.stdout.readline()\n"
        "print(step.pid, flush=True)\n"
        "step.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPO)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(timeout=60)
    parent.stdout.close()
    assert child.wait(timeout=60) in (1, None)


def test_main_when_jobs_is_zero_then_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_all.main(["--data", str(tmp_path), "--jobs", "0"])
    assert "--jobs must be 1 or more" in capsys.readouterr().err


def test_recipe_when_begun_and_published_elsewhere_then_the_report_has_the_new_model_only():
    report = whole_recipe(Path("data"), Path("runs"), Path("mine"), is_begun=True)[-1]
    assert report.words[:4] == ("evaluate", "--models", "nova-96", "--data")


@pytest.mark.parametrize("is_begun", [False, True])
def test_recipe_when_listed_then_every_step_is_a_command_and_needs_earlier_steps(is_begun):
    seen = set()
    for step in whole_recipe(Path("data"), Path("runs"), None, is_begun=is_begun):
        assert set(step.after) <= seen
        assert find(step.words) in COMMANDS
        seen.add(step.name)


def test_recipe_when_begun_from_published_models_then_their_networks_are_not_trained():
    names = {step.words[:2] for step in whole_recipe(Path("data"), Path("runs"), None, is_begun=True)}
    assert ("unpack", "nova-hd") in names and ("unpack", "nova-96") in names and ("train", "teacher") in names
    assert not names & {
        ("train", "speech-encoder"),
        ("train", "mouth-renderer"),
        ("train", "student"),
        ("publish", "nova-hd"),
    }


def test_data_folder_when_nova_is_named_then_its_parent_and_when_speech_is_missing_then_error(tmp_path):
    (tmp_path / "nova").mkdir()
    with pytest.raises(StudioError, match="no folder speech"):
        data_folder(tmp_path / "nova")
    (tmp_path / "speech").mkdir()
    assert data_folder(tmp_path / "nova") == data_folder(tmp_path) == tmp_path


def test_main_when_data_is_missing_then_error_and_code_two(tmp_path, capsys):
    assert cli.main(["studio", "all", "--data", str(tmp_path / "no"), "--run", str(tmp_path / "runs")]) == 2
    assert "no folder nova" in capsys.readouterr().err


def test_main_when_the_run_folder_cannot_be_made_then_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudioError, match=r"cannot be made.*--run"):
        run_all.main(["--data", str(tmp_path), "--run", str(tmp_path / "file" / "runs")])


@pytest.mark.studio
def test_recipe_when_run_then_every_command_has_its_flags(capsys):
    pytest.importorskip("torch", reason="needs the studio extra")
    every = [whole_recipe(Path("data"), Path("runs"), Path("models"), is_begun=is_begun) for is_begun in (False, True)]
    for step in dict.fromkeys(step for recipe in every for step in recipe):
        command = find(step.words)
        with pytest.raises(SystemExit):
            importlib.import_module(command.module).main(["--help"])
        helped = capsys.readouterr().out
        flags = {word for word in step.words if word.startswith("--")}
        assert {flag for flag in flags if flag not in helped} == set(), step.name
