"""Watches for sound devices that are plugged in or out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from avatar_app.contracts.errors import UserError
from avatar_app.gui.control.sound_server import ServerEvents
from avatar_app.live.audio.plugged import devices_now

log = logging.getLogger(__name__)

# A device that is plugged in causes several events, and PortAudio lists it a moment later.
SETTLE_MS = 700
POLL_MS = 1000
# A missing sound server is tried again after this many polls.
RETRY_POLLS = 5


class MicWatcher(QObject):
    """Watches the system's sound devices. Thread: main; refreshing runs on another thread for up to a second.

    Args:
        refresh: refreshes the program's own list.
        devices: returns a value that is equal while the devices of the system are the same.

    Signals:
        changed(): the devices changed, have settled, and the list is refreshed.
    """

    changed = Signal()

    def __init__(self, refresh: Callable[[], object], devices: Callable[[], object] = devices_now) -> None:
        super().__init__()
        self._refresh_list = refresh
        self._thread: threading.Thread | None = None
        self._devices = devices
        self._last_devices: object = None
        self._had_server: bool | None = None
        self._n_polls = 0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.refresh)
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self.poll)
        self._server = ServerEvents(self)
        self._server.changed.connect(self._settle.start)

    def refresh(self) -> None:
        """Refresh the list in the background."""
        if self._thread is not None and self._thread.is_alive():
            self._settle.start()
            return
        self._thread = threading.Thread(target=self._run, name="mic-list", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._refresh_list()
        except UserError as error:
            log.warning("microphones cannot be listed: %s", error)
            return
        self.changed.emit()

    def start(self) -> None:
        """Start watching."""
        self._server.listen()
        self._last_devices = self._devices()
        self._poll.start()

    def poll(self) -> None:
        """Compare the devices with those of the last poll."""
        devices, has_server = self._devices(), self._server.is_listening
        did_server_change = self._had_server is not None and has_server != self._had_server
        if devices != self._last_devices or did_server_change:
            self._settle.start()
        self._last_devices, self._had_server = devices, has_server
        self._n_polls += 1
        if self._n_polls % RETRY_POLLS == 0:
            self._server.listen()

    def stop(self) -> None:
        """Stop watching; a second call does nothing."""
        self._poll.stop()
        self._settle.stop()
        self._server.close()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
