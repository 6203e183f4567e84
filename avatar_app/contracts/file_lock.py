"""A lock that one process holds at a time; the system releases it when the process ends, also after a kill."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

# The locked byte. On Windows no process can read it, so it lies behind the process id.
LOCKED_BYTE = 1 << 20
# The file is deleted when it is released, so one that was just opened may be gone.
MAX_TRIES = 10
UNSUPPORTED = frozenset((errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL))


class FileLock:
    """A lock file with the id of the process that holds it.

    The system's own lock decides, not the file: a file that a killed process left is taken over, whatever its content,
    and there is no instant at which two processes could both take it.

    Thread: one at a time.

    Args:
        file: the lock file; its folder must exist.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._opened: BinaryIO | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._opened is not None

    def acquire(self) -> bool:
        """Take the lock; False if another process, or another object of this one, holds it.

        Where the file system has no locks, for example on some network drives, the lock is always free.

        Raises:
            OSError: the file cannot be written.
        """
        if self._opened is not None:
            return True
        for _ in range(MAX_TRIES):
            opened = os.fdopen(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
            try:
                is_locked = _lock(opened)
                if is_locked and _is_there(opened):
                    opened.truncate(0)
                    opened.write(f"{os.getpid()}\n".encode())
                    self._opened = opened
                    return True
            except BaseException:
                opened.close()
                raise
            opened.close()
            if not is_locked:
                return False
        return False

    def release(self) -> None:
        """Release the lock and delete the file; a second call does nothing."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                # An open file cannot be deleted there.
                opened.close()
            self.file.unlink()
        opened.close()


def _lock(opened: BinaryIO) -> bool:
    """Lock an opened file without waiting."""
    try:
        _lock_byte(opened)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            log.warning("%s cannot be locked: %s", opened.name, error)
            return True
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def _is_there(opened: BinaryIO) -> bool:
    """Whether the file still exists: its owner may have released and deleted it after we opened it."""
    return sys.platform == "win32" or os.fstat(opened.fileno()).st_nlink > 0


if sys.platform == "win32":
    import msvcrt

    def _lock_byte(opened: BinaryIO) -> None:
        opened.seek(LOCKED_BYTE)
        msvcrt.locking(opened.fileno(), msvcrt.LK_NBLCK, 1)
        opened.seek(0)

else:
    import fcntl

    def _lock_byte(opened: BinaryIO) -> None:
        fcntl.flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
