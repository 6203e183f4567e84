"""Rules for every test: no thread outlives it, no file of the user is touched, hooks are restored."""

import logging
import sys
import threading
import time

import pytest

# Only a failing test waits so long.
WAIT_FOR_THREADS_S = 30.0


@pytest.fixture(autouse=True, scope="session")
def user_folders(tmp_path_factory):
    """Settings, caches and logs of the tests are in a temporary folder."""
    base = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "CACHE", "STATE", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(base / name.lower()))
        yield


@pytest.fixture(autouse=True)
def no_thread_left_behind():
    """A test that leaves a thread running fails."""
    before = set(threading.enumerate())
    yield
    deadline_s = time.monotonic() + WAIT_FOR_THREADS_S
    for thread in _left(before):
        thread.join(max(0.0, deadline_s - time.monotonic()))
    left = _left(before)
    assert not left, f"threads left behind: {[thread.name for thread in left]}"


@pytest.fixture(autouse=True)
def hooks_restored():
    """Exception hooks and log handlers are restored."""
    root = logging.getLogger()
    kept = sys.excepthook, threading.excepthook, list(root.handlers), root.level
    yield
    sys.excepthook, threading.excepthook, root.handlers[:], level = kept
    root.setLevel(level)


def _left(before):
    # A dummy thread is Qt's or a native library's own, which Python has merely seen; it ends with its pool.
    dummy = threading._DummyThread
    return [thread for thread in threading.enumerate() if thread not in before and not isinstance(thread, dummy)]
