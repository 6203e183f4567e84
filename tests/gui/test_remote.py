"""Commands of the control API reach the window on its own thread."""

import json
import threading

import pytest

from avatar_app.contracts.errors import SettingsError, UserError
from avatar_app.gui.control.remote import MAX_WAITING, Remote


@pytest.fixture
def remote(desk):
    remote = Remote()
    remote.attach(desk.commands)
    desk.window.refresh_status()
    return remote


def from_elsewhere(call):
    """Call on another thread, as the server does."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("name", "find"),
    [
        ("mute", lambda desk: desk.keeper.settings.is_muted),
        ("camera", lambda desk: desk.keeper.settings.is_camera_on),
        ("hide", lambda desk: desk.commands.is_hidden),
        ("record", lambda desk: desk.sinks.is_recording),
        ("run", lambda desk: desk.commands.is_running),
    ],
)
def test_switch_when_called_on_another_thread_then_executed_and_published(desk, remote, name, find):
    switch = remote.actions()[name]
    from_elsewhere(lambda: switch.call(True))
    desk.qtbot.waitUntil(lambda: find(desk))
    from_elsewhere(lambda: switch.call(True))
    desk.window.refresh_status()
    assert True in remote.state().values()
    from_elsewhere(lambda: switch.call(None))
    desk.qtbot.waitUntil(lambda: not find(desk))


@pytest.mark.parametrize("name", ["mute", "camera", "hide", "record"])
def test_switch_when_inverted_twice_then_is_unchanged(desk, remote, name):
    switch, before = remote.actions()[name], dict(remote.state())
    from_elsewhere(lambda: switch.call(None))
    from_elsewhere(lambda: switch.call(None))
    done = []
    remote._queue(done.append)
    desk.qtbot.waitUntil(lambda: bool(done))
    assert remote.state() == before


def test_mute_when_inverted_right_after_the_window_did_then_uses_the_newest_state(desk, remote):
    desk.commands.toggle("is_muted")
    from_elsewhere(lambda: remote.actions()["mute"].call(None))
    done = []
    remote._queue(done.append)
    desk.qtbot.waitUntil(lambda: bool(done))
    assert not desk.keeper.settings.is_muted
    assert remote.state()["muted"] is False


def test_look_ahead_when_unknown_then_raises_and_else_set(desk, remote):
    with pytest.raises(SettingsError):
        remote.actions()["look-ahead"].call(70.0)
    remote.actions()["look-ahead"].call(160.0)
    desk.qtbot.waitUntil(lambda: desk.keeper.settings.lookahead_ms == 160)


@pytest.mark.parametrize("name", ["snapshot", "panic", "refresh-mic"])
def test_command_when_called_then_executed(desk, remote, name):
    def seen():
        return len(desk.pipeline.calls), len(desk.sinks.calls), len(desk.notices.current()), desk.keeper.settings

    before = seen()
    remote.actions()[name].call(None)
    desk.qtbot.waitUntil(lambda: seen() != before, timeout=30_000)


def test_command_when_flooded_then_few_are_queued_and_the_rest_is_refused(desk, remote):
    snapshot, n_refused = remote.actions()["snapshot"], 0
    for _ in range(1000):
        try:
            snapshot.call(None)
        except UserError:  # noqa: PERF203
            n_refused += 1
    assert n_refused == 1000 - MAX_WAITING
    desk.qtbot.waitUntil(lambda: desk.sinks.calls.count("snapshot") == MAX_WAITING, timeout=30_000)
    snapshot.call(None)
    desk.qtbot.waitUntil(lambda: desk.sinks.calls.count("snapshot") == MAX_WAITING + 1, timeout=30_000)


def test_state_when_published_then_is_json_without_secrets(desk, remote):
    assert "secret" not in json.dumps(dict(remote.state()))
