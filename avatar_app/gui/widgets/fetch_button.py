"""A button that runs a download and counts the seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QPushButton

from avatar_app.contracts.errors import UserError

POLL_MS = 250


class FetchButton(QPushButton):
    """Runs `fetch` on a daemon thread. Thread: main.

    Args:
        text: of the button while idle.
        busy: its text before the seconds.
        fetch: may block for minutes, and raises `UserError`.

    Signals:
        fetched(problem): the download ended; `problem` is empty after success, else it is the message.
    """

    fetched = Signal(str)

    def __init__(self, text: str, busy: str, fetch: Callable[[], None]) -> None:
        super().__init__(text)
        # Its text changes while it runs.
        self.setAccessibleName(text)
        self.setProperty("role", "plain")
        self._text, self._busy, self._fetch = text, busy, fetch
        self._fetching: threading.Thread | None = None
        self._t_start_s = 0.0
        self._problem = ""
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self.clicked.connect(self._begin)

    def _begin(self) -> None:
        # Not disabled meanwhile, because that would move the keyboard focus.
        if self._fetching is not None:
            return
        self._problem, self._t_start_s = "", time.monotonic()
        self._fetching = threading.Thread(target=self._run, name="fetch", daemon=True)
        self._fetching.start()
        self._timer.start()
        self._poll()

    def _run(self) -> None:
        try:
            self._fetch()
        except UserError as error:
            self._problem = str(error)

    def _poll(self) -> None:
        if self._fetching is not None and self._fetching.is_alive():
            self.setText(f"{self._busy} … {time.monotonic() - self._t_start_s:.0f} s")
            return
        self._fetching = None
        self._timer.stop()
        self.setText(self._text)
        self.fetched.emit(self._problem)
