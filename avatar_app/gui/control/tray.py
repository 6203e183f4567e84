"""The icon beside the clock: the avatar goes on while its window is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget


class Tray(QObject):
    """A menu of a few commands; a click on the icon shows the window or hides it. Thread: main.

    Args:
        icon: the program's.
        window: what is shown and hidden.
        commands: text and action of each entry, in order.
    """

    def __init__(self, icon: QIcon, window: QWidget, commands: Mapping[str, Callable[[], object]]) -> None:
        super().__init__(window)
        self._window = window
        self._menu = QMenu()
        self.toggle = QAction("Hide the window", self._menu)
        self.toggle.triggered.connect(self.turn)
        self._menu.addAction(self.toggle)
        self._menu.addSeparator()
        for text, action in commands.items():
            self._menu.addAction(text, action)
        self._menu.aboutToShow.connect(self._name_toggle)
        self._icon = QSystemTrayIcon(icon, self)
        self._icon.setToolTip("Avatar")
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._clicked)
        self._icon.show()

    @staticmethod
    def is_there() -> bool:
        """Whether this desktop shows such icons."""
        return QSystemTrayIcon.isSystemTrayAvailable()

    def turn(self) -> None:
        """Hide the window, or bring it back."""
        if self._window.isVisible() and not self._window.isMinimized():
            self._window.hide()
        else:
            self._window.showNormal()
            self._window.raise_()
            self._window.activateWindow()

    def set_locked(self, *, is_locked: bool) -> None:
        """Take the icon away while the window is a booth, or bring it back."""
        self._icon.setVisible(not is_locked)

    def remove(self) -> None:
        """Take the icon away; twice is fine."""
        self._icon.hide()
        self._menu.deleteLater()

    def _clicked(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        # The right button opens the menu on its own.
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.turn()

    def _name_toggle(self) -> None:
        is_seen = self._window.isVisible() and not self._window.isMinimized()
        self.toggle.setText("Hide the window" if is_seen else "Show the window")
