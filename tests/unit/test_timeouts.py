"""A test that hangs fails alone: here in a run of its own, with this project's configuration of pytest."""

import importlib.util
import signal
import subprocess
import sys

import pytest

from avatar_app.settings.paths import repo_root

TESTS = """
import threading

def test_before():
    pass

def test_hangs():
    threading.Event().wait()

def test_after():
    pass
"""


# Where there are no signals, the process that runs the test is ended, and another continues in its place.
@pytest.mark.parametrize("how", [["-p", "no:xdist"], ["-n", "2"], ["-n", "1", "--timeout-method=thread"]])
def test_run_when_a_test_hangs_then_it_fails_and_the_others_pass(tmp_path, how):
    if not hasattr(signal, "SIGALRM") and "--timeout-method=thread" not in how:
        pytest.skip("this system cannot interrupt a test")
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-c", str(repo_root() / "pyproject.toml"), "-p", "no:cacheprovider"]
    command += ["--timeout=5", *how, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in done.stdout.splitlines()[-1], done.stdout
    assert "test_hangs" in next(line for line in done.stdout.splitlines() if line.startswith("FAILED"))


@pytest.mark.parametrize(("has_signals", "begin"), [(True, "tests/bench"), (False, "-n")])
def test_test_command_when_no_signal_can_interrupt_a_test_then_tests_that_run_alone_do_so_in_a_worker(
    monkeypatch, has_signals, begin
):
    if not has_signals:
        monkeypatch.delattr(signal, "SIGALRM", raising=False)
    elif not hasattr(signal, "SIGALRM"):
        pytest.skip("this system cannot interrupt a test")
    monkeypatch.syspath_prepend(str(repo_root() / "packaging"))
    spec = importlib.util.spec_from_file_location("test_command", repo_root() / "packaging" / "test.py")
    command = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "test_command", command)
    spec.loader.exec_module(command)
    runs = {}
    monkeypatch.setattr(command, "run_pytest", lambda name, arguments: runs.update({name: arguments}))
    command.run_tests([])
    assert runs["pytest, alone"][0] == begin and runs["pytest, alone"][-4:] == command.ALONE
    assert runs["pytest, shared"][-5:] == command.TOGETHER
