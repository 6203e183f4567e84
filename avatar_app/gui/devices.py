"""Tells when a microphone was plugged in or out, and the list was made anew; names the cameras.

`QMediaDevices` costs about 15 MB and is slow to load, so it is loaded after the window is up, and only here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Latest
from avatar_app.gui.ports import Option

log = logging.getLogger(__name__)

# One plug makes several events; PortAudio also needs a moment until it sees the same list.
SETTLE_MS = 700


class MicWatcher(QObject):
    """Watches the system's list of microphones. Thread: main; looking takes a thread of its own for up to a second.

    Args:
        look: makes the program's own list anew.

    Signals:
        changed(): the list changed, has been quiet since, and was made anew.
    """

    changed = Signal()

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self._look = look
        self._looking: threading.Thread | None = None
        self._devices: QObject | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.look)

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

    def start(self) -> bool:
        """Begin watching; False when this Qt has no multimedia part, and then only a restart shows new devices."""
        try:
            from PySide6.QtMultimedia import QMediaDevices
        except ImportError as error:
            log.warning("microphones are not watched: %s", error)
            return False
        devices = QMediaDevices(self)
        devices.audioInputsChanged.connect(self._settle.start)
        self._devices = devices
        return True

    def stop(self) -> None:
        """Stop watching; twice is fine."""
        self._settle.stop()
        if self._looking is not None:
            self._looking.join(5)
            self._looking = None
        if self._devices is not None:
            self._devices.deleteLater()
            self._devices = None


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
