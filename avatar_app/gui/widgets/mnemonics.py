"""Alt and a letter reach every control; the letters are underlined only while Alt is held, so the rest looks calm.

Qt would do the second part through a `QProxyStyle`; in PySide6 6.12 on Python 3.11 one whose `styleHint` is written
in Python loses references to None until the interpreter aborts, so the texts are exchanged instead.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

MARKED = "marked"
# A button that shows its icon alone, for want of room; its key stays.
TEXTLESS = "textless"


def label(title: str, buddy: QWidget, owner: QWidget) -> QLabel:
    """A label whose letter after `&`, with Alt, puts the focus on `buddy` while `owner` is in sight."""
    result = QLabel(title.replace("&", ""))
    # What a screen reader calls a control that has no name of its own.
    result.setBuddy(buddy)
    before, _, after = title.partition("&")
    result.setProperty(MARKED, f"{before}<u>{after[0]}</u>{after[1:]}")
    shortcut = QShortcut(QKeySequence(f"Alt+{after[0].upper()}"), owner)
    shortcut.activated.connect(lambda: buddy.setFocus(Qt.FocusReason.ShortcutFocusReason))
    return result


def name_button(button: QPushButton, title: str) -> None:
    """Give a button a text and the letter after `&` as its key."""
    button.setProperty(MARKED, title)
    button.setText("" if button.property(TEXTLESS) else title.replace("&", ""))
    button.setShortcut(QKeySequence(f"Alt+{title[title.index('&') + 1].upper()}"))


def show_letters(window: QWidget, is_alt_held: bool) -> None:
    """Underline the letters of a window, or not."""
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
