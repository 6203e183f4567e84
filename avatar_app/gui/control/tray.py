"""The tray icon: the avatar keeps running while the window is hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget


class Tray(QObject):
    """A menu of commands; a click on the icon shows or hides the window. Thread: main.

    Args:
        icon: of the program.
        window: shown and hidden by a click.
        commands: text and function of each entry, in order.
    """

    def __init__(self, icon: QIcon, window: QWidget, commands: Mapping[str, Callable[[], object]]) -> None:
        super().__init__(window)
        self._window = window
        self._menu = QMenu()
        self.toggle = QAction("Hide window", self._menu)
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
        """Whether this desktop has a tray."""
        return QSystemTrayIcon.isSystemTrayAvailable()

    def turn(self) -> None:
        """Hide or show the window."""
        if self._window.isVisible() and not self._window.isMinimized():
            self._window.hide()
        else:
            self._window.showNormal()
            self._window.raise_()
            self._window.activateWindow()

    def set_locked(self, *, is_locked: bool) -> None:
        """Hide the icon in kiosk mode, or show it."""
        self._icon.setVisible(not is_locked)

    def remove(self) -> None:
        """Remove the icon; a second call does nothing."""
        self._icon.hide()
        self._menu.deleteLater()

    def _clicked(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        # Qt opens the menu for the right button.
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.turn()

    def _name_toggle(self) -> None:
        is_shown = self._window.isVisible() and not self._window.isMinimized()
        self.toggle.setText("Hide window" if is_shown else "Show window")
