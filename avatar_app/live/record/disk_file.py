"""The file of a recording: what was written stays readable when the disk or the program fails."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record.boxes import complete_length
from avatar_app.live.record.folder import write_error


class DiskFile:
    """An unbuffered file object for the library. Thread: one at a time.

    After the first failed write all later ones are ignored, so that a library that then closes the container cannot
    damage the file. The failure is kept in `error`.
    """

    def __init__(self, path: Path) -> None:
        """Create a new file.

        Raises:
            OutputError: the folder is missing, cannot be written to, or has no room; or the file exists.
        """
        self.path = path
        self.error: OSError | None = None
        try:
            # `close` closes it.
            self._file = path.open("x+b", buffering=0)
        except OSError as error:
            raise write_error(path, error) from error
        self._lock()
        self._position = 0
        self._n_bytes = 0
        self._t_sync_ns = 0

    @property
    def n_bytes(self) -> int:
        """Length of the file."""
        return self._n_bytes

    @property
    def is_at_limit(self) -> bool:
        """Whether the file has reached the maximum size of the file system."""
        return self.error is not None and self.error.errno == errno.EFBIG

    @property
    def has_content(self) -> bool:
        """Whether anything reached the disk."""
        try:
            return os.fstat(self._file.fileno()).st_size > 0
        except OSError:
            return False

    @property
    def is_at_its_path(self) -> bool:
        """Whether the file still exists at its path; its folder may have been deleted, or its disk unplugged."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def write(self, data: bytes) -> int:
        """Write at the current position; the library calls this."""
        view = memoryview(data)
        if self.error is None:
            try:
                self._write_all(view)
            except OSError as error:
                self.error = error
                raise
        self._position += len(view)
        self._n_bytes = max(self._n_bytes, self._position)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; the library calls this."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._n_bytes}[whence]
        self._position = start + offset
        if self.error is None:
            self._file.seek(self._position)
        return self._position

    def tell(self) -> int:
        """The current position; the library calls this."""
        return self._position

    def sync(self, t_ns: int) -> None:
        """Flush to the disk, at most once a second."""
        if t_ns - self._t_sync_ns >= NS_PER_S and self.error is None:
            self._t_sync_ns = t_ns
            self._sync()

    def restore(self, path: Path) -> None:
        """Copy the content to a new file after the old one was deleted; the open file still has it.

        Raises:
            OSError: the file was moved instead, cannot be read, or there is no room.
        """
        descriptor = self._file.fileno()
        if os.fstat(descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
        with os.fdopen(os.dup(descriptor), "rb") as source, path.open("xb") as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy)
        self.path = path

    def close(self) -> None:
        """Close the file, truncated to its complete fragments after a failed write; a second call does nothing."""
        if self._file.closed:
            return
        with suppress(OSError):
            if self.error is not None:
                self._file.truncate(complete_length(self.path))
            os.fsync(self._file.fileno())
        self._file.close()

    def _write_all(self, view: memoryview) -> None:
        n_written = 0
        while n_written < len(view):
            n_written += self._file.write(view[n_written:]) or 0

    def _sync(self) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(self._file.fileno())
        except OSError as error:
            self.error = error

    def _lock(self) -> None:
        """Lock the file, so that other instances see that it is being written; the lock ends with the process."""
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
