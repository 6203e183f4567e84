"""One program for one profile, whatever a crash left in its lock."""

import os
import subprocess
import sys

import pytest
from PySide6.QtCore import QLockFile

from avatar_app.gui.control.single_instance import SingleInstance

# A local server needs the event loop of an application.
pytestmark = pytest.mark.usefixtures("qapp")

HOLD = """
import sys
from PySide6.QtCore import QLockFile
lock = QLockFile(sys.argv[1])
lock.setStaleLockTime(0)
print(lock.tryLock(0), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock_file(paths):
    paths.state_dir.mkdir(parents=True)
    return paths.state_dir / "running.lock"


def is_acquired(paths) -> bool:
    instance = SingleInstance(paths)
    try:
        return instance.acquire()
    finally:
        instance.release()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"garbage", b"\xff\0\xfe" * 50, b"-1\n\n\n", b"x" * 100_000,
        # Alive, but it holds nothing: the number of a program that is gone was given to another one.
        f"{os.getpid()}\n{os.path.basename(sys.executable)}\nanother-host\n\n\n".encode(),
    ],
    ids=["empty", "line", "garbage", "no-text", "negative", "long", "reused-number"],
)  # fmt: skip
def test_acquire_when_the_file_is_left_over_or_damaged_then_taken_over(paths, lock_file, content):
    lock_file.write_bytes(content)
    assert is_acquired(paths)
    assert is_acquired(paths)


@pytest.mark.parametrize("make", ["pipe", "folder"])
def test_acquire_when_the_lock_is_not_a_file_then_succeeds(paths, lock_file, make):
    if make == "pipe":
        os.mkfifo(lock_file)
    else:
        lock_file.mkdir()
    assert is_acquired(paths)


def test_acquire_when_another_program_runs_then_refused_until_it_ends(paths, lock_file):
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with held:
        assert held.stdout.readline() == "True\n"
        assert not is_acquired(paths)
        assert lock_file.exists(), "a lock that is held is never removed"
        held.kill()
        held.wait()
        assert is_acquired(paths)


def test_acquire_when_the_same_program_holds_it_then_refused(paths, lock_file):
    lock = QLockFile(str(lock_file))
    assert lock.tryLock(0)
    assert not is_acquired(paths)
    lock.unlock()
    assert is_acquired(paths)
