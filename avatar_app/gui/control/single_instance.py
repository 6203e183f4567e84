"""One instance per profile: a second start raises the first window and exits."""

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
    """Holds the lock of a profile, and listens for later starts. Thread: main.

    Args:
        paths: of the profile.

    Signals:
        raise_asked(): the program was started again.
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
        """Become the instance of this profile. False when another one runs.

        Where the lock cannot be written, for example in a read-only home, the program runs without one.
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
        """Take over a stale lock, whatever its content.

        After a crash the file may be empty or damaged, or name a process id that another program has now. The system
        locks the file of a running program; Qt does not remove that.
        """
        return lock.error() == QLockFile.LockError.LockFailedError and lock.removeStaleLockFile() and lock.tryLock(0)

    def _removed(self) -> bool:
        """Remove a lock that is not a regular file, because opening a pipe would block."""
        try:
            self._file.unlink()
        except OSError as error:
            log.warning("no lock against a second start: %s", error)
            return False
        return True

    def ask_to_raise(self) -> bool:
        """Ask the running instance to raise its window; False without an answer."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(CONNECT_MS):
            return False
        socket.write(RAISE)
        is_answered = socket.waitForReadyRead(CONNECT_MS) and bytes(socket.readAll().data()) == RAISED
        socket.disconnectFromServer()
        return is_answered

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _listen(self) -> None:
        # A crash leaves the server behind; the lock proves that it is unused.
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
        socket.readyRead.connect(lambda: self._handle(socket))
        socket.disconnected.connect(socket.deleteLater)
        if socket.bytesAvailable():
            self._handle(socket)

    def _handle(self, socket: QLocalSocket) -> None:
        if bytes(socket.readAll().data()) == RAISE:
            socket.write(RAISED)
            socket.flush()
            self.raise_asked.emit()
