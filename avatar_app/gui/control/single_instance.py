"""One program for one profile: a second start brings the first window to the front and ends."""

from __future__ import annotations

import hashlib
import logging

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from avatar_app.settings.paths import ProfilePaths

log = logging.getLogger(__name__)

CONNECT_MS = 1000
RAISE = b"raise\n"
RAISED = b"raised\n"


class SingleInstance(QObject):
    """Holds the lock of a profile and listens to later starts. Thread: main.

    Signals:
        raise_asked(): somebody started the program again.
    """

    raise_asked = Signal()

    def __init__(self, paths: ProfilePaths) -> None:
        super().__init__()
        folder = paths.state_dir
        self._name = "avatar-app-" + hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
        self._file = folder / "running.lock"
        self._lock: QLockFile | None = None
        self._server: QLocalServer | None = None

    def acquire(self) -> bool:
        """Become the one program of this profile. False when there is one already.

        Where the lock cannot be written, as in a read-only home, the program runs without one.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("no lock against a second start: %s", error)
            return True
        if self._file.exists() and not self._file.is_file() and not self._removed():
            return True
        lock = QLockFile(str(self._file))
        lock.setStaleLockTime(0)  # a lock is stale only when its process is gone
        if not lock.tryLock(0) and not self._taken_over(lock):
            if lock.error() == QLockFile.LockError.LockFailedError:
                return False
            log.warning("no lock against a second start: %s", lock.error().name)
            return True
        self._lock = lock
        self._listen()
        return True

    def _taken_over(self, lock: QLockFile) -> bool:
        """Take a lock that nobody holds, whatever its file says.

        It may be empty or damaged after a crash, or name a process whose number another program has now. A running
        program holds the file locked by the system; then Qt does not remove it.
        """
        return lock.error() == QLockFile.LockError.LockFailedError and lock.removeStaleLockFile() and lock.tryLock(0)

    def _removed(self) -> bool:
        """Remove what lies in the lock's place and is no file: opening a pipe would wait for ever."""
        try:
            self._file.unlink()
        except OSError as error:
            log.warning("no lock against a second start: %s", error)
            return False
        return True

    def ask_to_raise(self) -> bool:
        """Ask the running program to show its window; False when it does not answer."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(CONNECT_MS):
            return False
        socket.write(RAISE)
        is_answered = socket.waitForReadyRead(CONNECT_MS) and bytes(socket.readAll().data()) == RAISED
        socket.disconnectFromServer()
        return is_answered

    def release(self) -> None:
        """Let the next start be the first one; twice is fine."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _listen(self) -> None:
        # Left behind by a crash; the lock says that nobody uses it.
        QLocalServer.removeServer(self._name)
        server = QLocalServer(self)
        server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        server.newConnection.connect(self._answer)
        if not server.listen(self._name):
            log.warning("a second start cannot raise this window: %s", server.errorString())
        self._server = server

    def _answer(self) -> None:
        socket = self._server.nextPendingConnection() if self._server is not None else None
        if socket is None:
            return
        socket.readyRead.connect(lambda: self._obey(socket))
        socket.disconnected.connect(socket.deleteLater)
        if socket.bytesAvailable():
            self._obey(socket)

    def _obey(self, socket: QLocalSocket) -> None:
        if bytes(socket.readAll().data()) == RAISE:
            socket.write(RAISED)
            socket.flush()
            self.raise_asked.emit()
