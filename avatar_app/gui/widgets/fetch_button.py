"""A button that fetches something and counts the seconds meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QPushButton

from avatar_app.contracts.errors import UserError

BEAT_MS = 250


class FetchButton(QPushButton):
    """Thread: main; what it fetches comes on a thread of its own, which ends with the program.

    Args:
        text: while there is nothing to wait for.
        busy: before the seconds.
        fetch: may block for minutes.

    Signals:
        fetched(problem): it is here, and `problem` is empty; or it is not, and that says why.
    """

    fetched = Signal(str)

    def __init__(self, text: str, busy: str, fetch: Callable[[], None]) -> None:
        super().__init__(text)
        # Its text counts the seconds meanwhile.
        self.setAccessibleName(text)
        self.setProperty("role", "plain")
        self._text, self._busy, self._fetch = text, busy, fetch
        self._fetching: threading.Thread | None = None
        self._t_start_s = 0.0
        self._problem = ""
        self._beats = QTimer(self)
        self._beats.setInterval(BEAT_MS)
        self._beats.timeout.connect(self._look)
        self.clicked.connect(self._begin)

    def _begin(self) -> None:
        # Not disabled meanwhile: that would hand the keyboard to the next row.
        if self._fetching is not None:
            return
        self._problem, self._t_start_s = "", time.monotonic()
        self._fetching = threading.Thread(target=self._work, name="fetch", daemon=True)
        self._fetching.start()
        self._beats.start()
        self._look()

    def _work(self) -> None:
        try:
            self._fetch()
        except UserError as error:
            self._problem = str(error)

    def _look(self) -> None:
        if self._fetching is not None and self._fetching.is_alive():
            self.setText(f"{self._busy} … {time.monotonic() - self._t_start_s:.0f} s")
            return
        self._fetching = None
        self._beats.stop()
        self.setText(self._text)
        self.fetched.emit(self._problem)
