"""Keyboard shortcuts of the window."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence

START = "Ctrl+R"
MUTE = "Ctrl+D"
STATISTICS = "Ctrl+I"
PANEL = "Ctrl+B"
WEBCAM = "F4"
REOPEN_MIC = "F5"
HIDE = "F7"
PANIC = "F8"
RECORD = "F9"
SNAPSHOT = "F10"
FULL_SCREEN = "F11"
KIOSK = "Ctrl+Shift+K"
QUIT = "Ctrl+Q"
GLOBAL_MUTE = "Ctrl+Shift+F6"


def native(key: str) -> str:
    """A shortcut as this system writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
