"""Alt and a letter reach every control; the letters are underlined only while Alt is held.

Qt's way is a `QProxyStyle`; in PySide6 6.12 on Python 3.11 one whose `styleHint` is written in Python loses references
to None until the interpreter aborts, so the texts are exchanged instead.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

MARKED = "marked"
# A button that shows its icon alone where space is short; its key stays.
TEXTLESS = "textless"


class AltLetters(QObject):
    """Underlines the letters of a window while Alt is held. Thread: main.

    Args:
        window: owns this object.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Observe Alt, and the loss of focus, after which its release is not seen."""
        del watched
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Alt:
            if event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                show_letters(self._window, is_alt_held=event.type() == QEvent.Type.KeyPress)
        elif event.type() == QEvent.Type.ActivationChange and not self._window.isActiveWindow():
            show_letters(self._window, is_alt_held=False)
        return False


def label(title: str, buddy: QWidget, owner: QWidget) -> QLabel:
    """A label whose letter after `&`, with Alt, focuses `buddy` while `owner` is visible."""
    result = QLabel(title.replace("&", ""))
    # Screen readers use the label as the control's name.
    result.setBuddy(buddy)
    before, _, after = title.partition("&")
    result.setProperty(MARKED, f"{before}<u>{after[0]}</u>{after[1:]}")
    shortcut = QShortcut(QKeySequence(f"Alt+{after[0].upper()}"), owner)
    shortcut.activated.connect(lambda: buddy.setFocus(Qt.FocusReason.ShortcutFocusReason))
    return result


def name_button(button: QPushButton, title: str) -> None:
    """Set a button's text, and the letter after `&` as its key."""
    button.setProperty(MARKED, title)
    button.setText("" if button.property(TEXTLESS) else title.replace("&", ""))
    button.setShortcut(QKeySequence(f"Alt+{title[title.index('&') + 1].upper()}"))


def show_letters(window: QWidget, is_alt_held: bool) -> None:
    """Underline the letters of a window, or remove the underlines."""
    for found in window.findChildren(QLabel):
        marked = found.property(MARKED)
        if marked:
            found.setText(marked if is_alt_held else marked.replace("<u>", "").replace("</u>", ""))
    for button in window.findChildren(QPushButton):
        marked = button.property(MARKED)
        if marked and not button.property(TEXTLESS):
            shortcut = button.shortcut()
            button.setText(marked if is_alt_held else marked.replace("&", ""))
            button.setShortcut(shortcut)
