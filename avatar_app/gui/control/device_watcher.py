"""Tells when a microphone was plugged in or out, and the list was made anew; names the cameras."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Latest
from avatar_app.gui.control.sound_server import ServerEvents
from avatar_app.gui.ports import Option
from avatar_app.live.audio.plugged import devices_now

log = logging.getLogger(__name__)

# One plug makes several events; PortAudio also needs a moment until it sees the same list.
SETTLE_MS = 700
POLL_MS = 1000
# A server that is not there is tried every so many polls.
RETRY = 5


class MicWatcher(QObject):
    """Watches the system's sound devices. Thread: main; making the list takes a thread of its own for up to a second.

    Args:
        look: makes the program's own list anew.
        devices: something that is equal while the machine's own devices are the same.

    Signals:
        changed(): the list changed, has been quiet since, and was made anew.
    """

    changed = Signal()

    def __init__(self, look: Callable[[], object], devices: Callable[[], object] = devices_now) -> None:
        super().__init__()
        self._look = look
        self._looking: threading.Thread | None = None
        self._devices = devices
        self._seen: object = None
        self._had_server: bool | None = None
        self._n_polls = 0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.look)
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self.poll)
        self._server = ServerEvents(self)
        self._server.changed.connect(self._settle.start)

    def look(self) -> None:
        """Make the list anew without holding up the window."""
        if self._looking is not None and self._looking.is_alive():
            self._settle.start()
            return
        self._looking = threading.Thread(target=self._look_and_tell, name="mic-list", daemon=True)
        self._looking.start()

    def _look_and_tell(self) -> None:
        try:
            self._look()
        except UserError as error:
            log.warning("microphones cannot be listed: %s", error)
            return
        self.changed.emit()

    def start(self) -> None:
        """Begin watching."""
        self._server.listen()
        self._seen = self._devices()
        self._poll.start()

    def poll(self) -> None:
        """Compare what is there with what was there the last time."""
        seen, has_server = self._devices(), self._server.is_listening
        did_server_turn = self._had_server is not None and has_server != self._had_server
        if seen != self._seen or did_server_turn:
            self._settle.start()
        self._seen, self._had_server = seen, has_server
        self._n_polls += 1
        if self._n_polls % RETRY == 0:
            self._server.listen()

    def stop(self) -> None:
        """Stop watching; twice is fine."""
        self._poll.stop()
        self._settle.stop()
        self._server.close()
        if self._looking is not None:
            self._looking.join(5)
            self._looking = None


class CameraList:
    """The cameras, asked for on a thread of its own: some drivers take seconds. Thread: main.

    Args:
        ask: names the cameras; may block.
    """

    def __init__(self, ask: Callable[[], tuple[Option, ...]]) -> None:
        self._ask = ask
        self._asking: threading.Thread | None = None
        self._found: Latest[tuple[Option, ...]] = Latest()

    def look(self) -> None:
        """Have the list made anew, unless that goes on already."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._look, name="camera-list", daemon=True)
            self._asking.start()

    def take(self) -> tuple[Option, ...] | None:
        """The list, once after each time that it was made; None otherwise."""
        return self._found.take()

    def _look(self) -> None:
        self._found.put(self._ask())
