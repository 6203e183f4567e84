"""Tells when a microphone is plugged in or out.

`QMediaDevices` costs about 15 MB and is slow to load, so it is loaded after the window is up, and only here.
"""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QTimer, Signal

log = logging.getLogger(__name__)

# One plug makes several events; PortAudio also needs a moment until it sees the same list.
SETTLE_MS = 700


class MicWatcher(QObject):
    """Watches the system's list of microphones. Thread: main.

    Signals:
        changed(): the list changed, and has been quiet since.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._devices: QObject | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.changed)

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
        if self._devices is not None:
            self._devices.deleteLater()
            self._devices = None
