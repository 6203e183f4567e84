"""A lock between processes."""

import os
import signal
import subprocess
import sys

import pytest

from avatar_app.contracts.file_lock import FileLock

HOLD = """
import sys, time
from pathlib import Path
from avatar_app.contracts.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "True\n"
    yield child
    child.kill()
    child.communicate()


def test_lock_when_another_process_holds_it_then_refused_until_that_is_killed(tmp_path, holder):
    lock = FileLock(tmp_path / "lock")
    assert not lock.acquire() and not lock.is_held
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"
    holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.wait(30)
    assert (tmp_path / "lock").exists() and lock.acquire()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


@pytest.mark.parametrize("content", [b"", b"1\n", b"\0" * 99, b"999999999\n"])
def test_lock_when_the_file_of_a_crash_is_there_then_taken_over(tmp_path, content):
    (tmp_path / "lock").write_bytes(content)
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire() and lock.acquire()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()
    assert not (tmp_path / "lock").exists()


def test_lock_when_released_then_the_next_one_has_it_alone(tmp_path):
    first, second, third = (FileLock(tmp_path / "lock") for _ in range(3))
    assert first.acquire() and not second.acquire()
    first.release()
    first.release()
    assert second.acquire() and not third.acquire()
    second.release()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
def test_lock_when_its_file_was_deleted_while_it_was_opened_then_it_locks_the_new_file(tmp_path, monkeypatch):
    real, n_opened = os.open, []

    def open_then_delete(path, *arguments):
        descriptor = real(path, *arguments)
        n_opened.append(path)
        if len(n_opened) == 1:
            os.unlink(path)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_delete)
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.acquire() and not other.acquire()
    lock.release()


def test_lock_when_the_folder_is_missing_then_an_error(tmp_path):
    with pytest.raises(OSError):
        FileLock(tmp_path / "none" / "lock").acquire()
