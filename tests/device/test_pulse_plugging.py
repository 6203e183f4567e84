"""Events of a real sound server when its devices are added and removed."""

import itertools
import re

import pytest

from avatar_app.gui.control import sound_server

pytestmark = pytest.mark.device
WAIT_MS = 30_000


def test_events_when_sinks_are_added_and_removed_and_the_server_ends_then_reported(pulse, qtbot, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", pulse.variables["XDG_RUNTIME_DIR"])
    monkeypatch.setenv("HOME", pulse.variables["HOME"])
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    events, reported, numbers = sound_server.ServerEvents(), [], itertools.count()
    events.changed.connect(lambda: reported.append(True))
    events.listen()
    events.listen()

    def add_until_reported():
        # The first ones may come before the server has registered the subscription.
        pulse.add_sink(f"more{next(numbers)}")
        return bool(reported)

    qtbot.waitUntil(add_until_reported, timeout=WAIT_MS)
    # From here on only removals count: events of additions may still be queued.
    monkeypatch.setattr(sound_server, "DEVICE_EVENT", re.compile(b"(?='remove')" + sound_server.DEVICE_EVENT.pattern))
    reported.clear()
    pulse.unplug("more")
    qtbot.waitUntil(lambda: bool(reported), timeout=WAIT_MS)
    assert events.is_listening
    pulse.stop()
    qtbot.waitUntil(lambda: not events.is_listening, timeout=WAIT_MS)
    events.close()
