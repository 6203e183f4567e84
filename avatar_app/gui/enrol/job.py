"""The command that makes an avatar, as a process with low priority."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolProgress, parse_message
from avatar_app.live.runtime.environment import copy_environment

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "avatar_app")
# Below the program: its pictures come first.
NICE = 10
END_TIMEOUT_MS = 3000
N_LOGGED_LINES = 20
ENDED = EnrolFailure(
    "The avatar was not finished: the program that makes it ended.",
    "Continue to resume where it ended. If it ends again, send us the report of `avatar-app doctor`.",
)
NOT_STARTED = EnrolFailure("The program that makes the avatar cannot be started.", "Install this program again.")


class EnrolJob(QObject):
    """One run of the command. Thread: main.

    Args:
        command: starts `avatar-app`; tests pass their own.
        parent: owns it.

    Signals:
        progressed(EnrolProgress): how far it is.
        failed(EnrolFailure): it ended without an avatar.
        finished(EnrolFinished): it made the avatar.
        changed(): it started, paused, continued or ended.
    """

    progressed = Signal(object)
    failed = Signal(object)
    finished = Signal(object)
    changed = Signal()

    def __init__(self, command: Sequence[str] = COMMAND, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._process: QProcess | None = None
        self._is_paused = False
        self._has_result = False
        self.newest: EnrolProgress | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process exists, also while it is paused."""
        return self._process is not None

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self._is_paused

    def start(self, arguments: Sequence[str]) -> None:
        """Start the command; does nothing while it runs."""
        if self._process is not None:
            return
        self._is_paused = self._has_result = False
        self.newest = None
        process = QProcess(self)
        process.setProcessEnvironment(_environment())
        # Each handler ignores a process that is no longer the current one.
        process.readyReadStandardOutput.connect(lambda: self._read(process))
        process.finished.connect(lambda code, status: self._end(process, code, status))
        process.errorOccurred.connect(lambda error: self._refuse(process, error))
        process.started.connect(self._lower_priority)
        self._process = process
        process.start(self._command[0], [*self._command[1:], *arguments])
        self.changed.emit()

    def set_paused(self, *, is_paused: bool) -> None:
        """Suspend the process, or resume it."""
        if self._process is None or is_paused == self._is_paused:
            return
        for process in self._processes():
            with suppress(psutil.Error):
                process.suspend() if is_paused else process.resume()
        self._is_paused = is_paused
        self.changed.emit()

    def stop(self) -> None:
        """End the process and wait for it; what it finished stays, and a later start continues."""
        process, self._process = self._process, None
        if process is None:
            return
        everything = self._processes_of(process)
        if self._is_paused:
            # A suspended process does not see that it is asked to end.
            for one in everything:
                with suppress(psutil.Error):
                    one.resume()
        process.terminate()
        if not process.waitForFinished(END_TIMEOUT_MS):
            process.kill()
            process.waitForFinished(END_TIMEOUT_MS)
        for one in everything:
            with suppress(psutil.Error):
                one.kill()
        self._is_paused = False
        self.changed.emit()

    def _read(self, process: QProcess) -> None:
        while process is self._process and process.canReadLine():
            self._handle(bytes(process.readLine().data()).decode("utf-8", "replace"))

    def _handle(self, line: str) -> None:
        message = parse_message(line)
        if isinstance(message, EnrolProgress):
            self.newest = message
            self.progressed.emit(message)
        elif message is not None and not self._has_result:
            self._has_result = True
            signal = self.finished if isinstance(message, EnrolFinished) else self.failed
            # The process ends by itself now; a new start must not wait for it.
            self._forget()
            signal.emit(message)

    def _end(self, process: QProcess, code: int, status: QProcess.ExitStatus) -> None:
        self._read(process)
        if process is not self._process:
            return
        lines = bytes(process.readAllStandardError().data()).decode("utf-8", "replace").splitlines()
        log.error("enrol ended with %s (%s): %s", code, status.name, " | ".join(lines[-N_LOGGED_LINES:]))
        self._fail(ENDED)

    def _refuse(self, process: QProcess, error: QProcess.ProcessError) -> None:
        if process is self._process and error == QProcess.ProcessError.FailedToStart:
            self._fail(NOT_STARTED)

    def _fail(self, failure: EnrolFailure) -> None:
        self._forget()
        self.failed.emit(failure)

    def _forget(self) -> None:
        process, self._process = self._process, None
        self._is_paused = False
        # Not deleted: its own signals may be running. This object owns it.
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            QTimer.singleShot(END_TIMEOUT_MS, process, process.kill)
        self.changed.emit()

    def _lower_priority(self) -> None:
        nice = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE
        for process in self._processes():
            with suppress(psutil.Error):
                process.nice(nice)

    def _processes(self) -> list[psutil.Process]:
        return [] if self._process is None else self._processes_of(self._process)

    @staticmethod
    def _processes_of(process: QProcess) -> list[psutil.Process]:
        """The process and those that it started."""
        try:
            first = psutil.Process(process.processId())
            return [first, *first.children(recursive=True)]
        except (psutil.Error, ValueError):
            return []


def _environment() -> QProcessEnvironment:
    """The environment of this process, with the folder of this package in the path."""
    result = QProcessEnvironment()
    for name, value in copy_environment().items():
        result.insert(name, value)
    root = str(Path(__file__).resolve().parents[3])
    separator = ";" if sys.platform == "win32" else ":"
    paths = [root, *filter(None, [result.value("PYTHONPATH")])]
    result.insert("PYTHONPATH", separator.join(paths))
    result.insert("PYTHONUNBUFFERED", "1")
    return result
