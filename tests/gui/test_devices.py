import os
import threading

import pytest

from avatar_app.contracts.errors import AudioInputError
from avatar_app.gui.control.device_watcher import RETRY_POLLS, MicWatcher
from avatar_app.live.audio.pulse import TOOL

# Matters only when a test fails.
WAIT_MS = 30_000


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A `pactl` that does what its script says; without one, there is no server."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def become(script):
        (tmp_path / TOOL).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / TOOL).chmod(0o755)

    return become


@pytest.fixture
def watcher(qtbot, server):
    """A watcher whose machine has the devices of its list `there`."""
    there = ["card"]
    made = MicWatcher(lambda: None, lambda: tuple(there))
    made.there = there
    yield made
    made.stop()


def test_refresh_when_done_then_signals_and_ran_on_another_thread(qtbot):
    threads = []
    watcher = MicWatcher(lambda: threads.append(threading.current_thread()))
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        watcher.refresh()
    watcher.stop()
    assert threads[0] is not threading.main_thread()


def test_refresh_when_the_sound_system_does_not_answer_then_logs_only(qtbot, caplog):
    def fail() -> None:
        raise AudioInputError("No answer.", "Check it.")

    watcher = MicWatcher(fail)
    watcher.refresh()
    watcher.stop()
    assert "No answer" in caplog.text


def test_watch_when_a_device_is_added_or_removed_then_signals_each_time(qtbot, watcher):
    watcher.start()
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        watcher.there.append("microphone")
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        watcher.there.pop()


def test_poll_when_nothing_changed_then_does_not_refresh(watcher):
    watcher.start()
    for _ in range(2 * RETRY_POLLS):
        watcher.poll()
    assert not watcher._settle.isActive()


@pytest.mark.parametrize("what", ["'new' on source #7", "'remove' on sink #7", "'new' on card #7"])
def test_watch_when_the_server_reports_a_device_then_refreshes(qtbot, watcher, server, what):
    server(f'echo "Event {what}"; read line')
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        watcher.start()


def test_watch_when_the_server_reports_streams_and_volumes_then_does_not_refresh(qtbot, watcher, server):
    # Our own stream, and a volume: neither may make us look, which opens a stream again.
    events = ("'new' on source-output #1", "'change' on source #1", "'new' on client #1")
    server("\n".join(f'echo "Event {event}"' for event in events))
    finished = []
    watcher._server._process.finished.connect(lambda: finished.append(True))
    watcher.start()
    qtbot.waitUntil(lambda: bool(finished), timeout=WAIT_MS)
    assert not watcher._settle.isActive()


def test_watch_when_the_server_ends_and_restarts_then_refreshes_each_time(qtbot, watcher, server, tmp_path):
    os.mkfifo(tmp_path / "end")
    server(f"read line < {tmp_path / 'end'}")
    watcher.start()
    watcher.poll()
    assert not watcher._settle.isActive()
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        (tmp_path / "end").write_text("now\n")
    with qtbot.waitSignal(watcher.changed, timeout=WAIT_MS):
        pass


def test_stop_when_it_listens_then_the_process_ends(watcher, server, tmp_path):
    os.mkfifo(tmp_path / "end")
    server(f"read line < {tmp_path / 'end'}")
    watcher.start()
    assert watcher._server._process.waitForStarted(WAIT_MS)
    assert watcher._server.is_listening
    watcher.stop()
    assert not watcher._server.is_listening
    watcher.stop()
