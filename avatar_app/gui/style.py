"""Qt's Fusion style, calmer: mnemonics are underlined only while Alt is held, as on Windows."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QProxyStyle, QStyle, QStyleHintReturn, QStyleOption, QWidget


class CalmStyle(QProxyStyle):
    """Fusion without permanent underlines."""

    def __init__(self) -> None:
        super().__init__("Fusion")
        self.is_alt_held = False

    def styleHint(  # noqa: N802 - Qt's name
        self,
        hint: QStyle.StyleHint,
        option: QStyleOption | None = None,
        widget: QWidget | None = None,
        returnData: QStyleHintReturn | None = None,  # noqa: N803 - Qt's name
    ) -> int:
        """Qt's question; answered here for underlines alone."""
        if hint == QStyle.StyleHint.SH_UnderlineShortcut:
            return int(self.is_alt_held)
        return super().styleHint(hint, option, widget, returnData)


class AltWatcher(QObject):
    """Tells the style when Alt is held. Install it as an event filter of the program."""

    def __init__(self, app: QApplication, style: CalmStyle) -> None:
        super().__init__(app)
        self._style = style

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Watch Alt go down and up; nothing is swallowed."""
        kind = event.type()
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease) and isinstance(event, QKeyEvent):
            if event.key() == Qt.Key.Key_Alt:
                self._set(kind == QEvent.Type.KeyPress)
        elif kind == QEvent.Type.WindowDeactivate:
            self._set(False)
        return False

    def _set(self, is_held: bool) -> None:
        if self._style.is_alt_held != is_held:
            self._style.is_alt_held = is_held
            for window in QApplication.topLevelWidgets():
                window.update()
                for child in window.findChildren(QWidget):
                    child.update()
