"""What a sound server says of its devices by itself: microphones by Bluetooth or from the network, for example."""

from __future__ import annotations

import re

from PySide6.QtCore import QIODevice, QObject, QProcess, QProcessEnvironment, Signal

from avatar_app.live.audio.pulse import TOOL, has_tool

DEVICE_EVENT = re.compile(rb"'(new|remove)' on (source|sink|card) #")
END_MS = 2000


class ServerEvents(QObject):
    """Listens to PulseAudio, or PipeWire in its place, through a process of `pactl`. Thread: main.

    Signals:
        changed(): a device came or went.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process = QProcess(self)
        variables = QProcessEnvironment.systemEnvironment()
        # What is read must be English.
        variables.insert("LC_ALL", "C")
        self._process.setProcessEnvironment(variables)
        self._process.readyReadStandardOutput.connect(self._read)

    @property
    def is_listening(self) -> bool:
        """Whether there is a server; known a moment after `listen`."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def listen(self) -> None:
        """Listen from now on, where there is a server and its tool; again and again is fine."""
        if not self.is_listening and has_tool():
            self._process.start(TOOL, ["subscribe"], QIODevice.OpenModeFlag.ReadOnly)

    def close(self) -> None:
        """Listen no more; twice is fine."""
        if self.is_listening:
            self._process.kill()
            self._process.waitForFinished(END_MS)

    def _read(self) -> None:
        lines = bytes(self._process.readAllStandardOutput().data())
        if DEVICE_EVENT.search(lines):
            self.changed.emit()
