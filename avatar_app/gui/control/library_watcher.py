"""Watches for avatars and models that are added, renamed, made again or removed, also by another process."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

POLL_MS = 1000


class LibraryWatcher(QObject):
    """Compares the user's avatars and models once a second. Thread: main.

    Args:
        state: returns a value that is equal while they are the same.
        refresh: lists them again; returns False to be called again a second later.
        made: returns the id of the avatar in use, and a value that is equal until it or a model of it is made again.
        reload: opens the avatar in use again.
    """

    def __init__(
        self,
        state: Callable[[], object],
        refresh: Callable[[], bool],
        made: Callable[[], tuple[str, object]] = lambda: ("", None),
        reload: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self._state, self._refresh, self._made, self._reload = state, refresh, made, reload
        self._last, self._last_made = state(), made()
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self.poll)

    def start(self) -> None:
        """Start watching."""
        self._poll.start()

    def poll(self) -> None:
        """Compare with the last poll."""
        state, made = self._state(), self._made()
        if made != self._last_made:
            is_same_avatar = made[0] == self._last_made[0]
            self._last_made = made
            if is_same_avatar:
                self._reload()
        if state != self._last and self._refresh():
            self._last = state

    def stop(self) -> None:
        """Stop watching; a second call does nothing."""
        self._poll.stop()
