"""Watches for avatars and models that are added, renamed or removed, also by another process."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

POLL_MS = 1000


class LibraryWatcher(QObject):
    """Compares the user's avatars and models once a second. Thread: main.

    Args:
        state: returns a value that is equal while they are the same.
        refresh: lists them again; returns False to be called again a second later.
    """

    def __init__(self, state: Callable[[], object], refresh: Callable[[], bool]) -> None:
        super().__init__()
        self._state, self._refresh = state, refresh
        self._last = state()
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self.poll)

    def start(self) -> None:
        """Start watching."""
        self._poll.start()

    def poll(self) -> None:
        """Compare with the last poll."""
        state = self._state()
        if state != self._last and self._refresh():
            self._last = state

    def stop(self) -> None:
        """Stop watching; a second call does nothing."""
        self._poll.stop()
