"""The drop-down list of webcams, and the thread that lists them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import Signal

from avatar_app.contracts.handoff import Latest
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.rows import Chooser


class CameraList:
    """Lists the webcams in the background, because some drivers block for seconds. Thread: main.

    Args:
        list_cameras: may block.
    """

    def __init__(self, list_cameras: Callable[[], tuple[Option, ...]]) -> None:
        self._list_cameras = list_cameras
        self._thread: threading.Thread | None = None
        self._found: Latest[tuple[Option, ...]] = Latest()

    def refresh(self) -> None:
        """List the webcams again, unless that is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="camera-list", daemon=True)
            self._thread.start()

    def take(self) -> tuple[Option, ...] | None:
        """The newest list, once; None without a new one."""
        return self._found.take()

    def _run(self) -> None:
        self._found.put(self._list_cameras())


class CameraChooser(Chooser):
    """The drop-down list.

    Signals:
        opened(): the list is about to open.
    """

    opened = Signal()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, and have it refreshed."""
        self.opened.emit()
        super().showPopup()
