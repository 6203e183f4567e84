"""Device events of the sound server, for example of Bluetooth microphones."""

from __future__ import annotations

import re

from PySide6.QtCore import QIODevice, QObject, QProcess, QProcessEnvironment, Signal

from avatar_app.live.audio.pulse import TOOL, has_tool

DEVICE_EVENT = re.compile(rb"'(new|remove)' on (source|sink|card) #")
END_MS = 2000


class ServerEvents(QObject):
    """Subscribes to PulseAudio or PipeWire through a `pactl` process. Thread: main.

    Args:
        parent: owns this object.

    Signals:
        changed(): a device was added or removed.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process = QProcess(self)
        variables = QProcessEnvironment.systemEnvironment()
        # The parser expects English.
        variables.insert("LC_ALL", "C")
        self._process.setProcessEnvironment(variables)
        self._process.readyReadStandardOutput.connect(self._read)

    @property
    def is_listening(self) -> bool:
        """Whether the server answers; valid a moment after `listen`."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def listen(self) -> None:
        """Subscribe if server and tool exist; may be called again."""
        if not self.is_listening and has_tool():
            self._process.start(TOOL, ["subscribe"], QIODevice.OpenModeFlag.ReadOnly)

    def close(self) -> None:
        """End the process; a second call does nothing."""
        if self.is_listening:
            self._process.kill()
            self._process.waitForFinished(END_MS)

    def _read(self) -> None:
        lines = bytes(self._process.readAllStandardOutput().data())
        if DEVICE_EVENT.search(lines):
            self.changed.emit()
