"""A real sound server tells when its devices come and go."""

import itertools
import re

import pytest

from avatar_app.gui.control import sound_server

pytestmark = pytest.mark.device
WAIT_MS = 30_000


def test_listen_when_sinks_come_and_go_then_told_and_when_the_server_ends_then_known(pulse, qtbot, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", pulse.variables["XDG_RUNTIME_DIR"])
    monkeypatch.setenv("HOME", pulse.variables["HOME"])
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    events, told, numbers = sound_server.ServerEvents(), [], itertools.count()
    events.changed.connect(lambda: told.append(True))
    events.listen()
    events.listen()

    def add_until_told():
        # The first ones may come before the server knows that somebody listens.
        pulse.add_sink(f"more{next(numbers)}")
        return bool(told)

    qtbot.waitUntil(add_until_told, timeout=WAIT_MS)
    # From here on only what goes counts: the server may still be telling of what came.
    monkeypatch.setattr(sound_server, "DEVICE_EVENT", re.compile(b"(?='remove')" + sound_server.DEVICE_EVENT.pattern))
    told.clear()
    pulse.unplug("more")
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT_MS)
    assert events.is_listening
    pulse.stop()
    qtbot.waitUntil(lambda: not events.is_listening, timeout=WAIT_MS)
    events.close()
