"""Place and size of a window, as text for the settings."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSize
from PySide6.QtWidgets import QApplication, QWidget

# Title bar and borders, as window systems draw them.
FRAME_PX = 40
FIRST_SIZE_PX = (1200, 780)


def saved(window: QWidget) -> str:
    """Place and size, base64."""
    return bytes(window.saveGeometry().toBase64().data()).decode("ascii")


def restore(window: QWidget, text: str) -> None:
    """Restore place and size, or use the first size; Qt corrects a place that is off all screens."""
    if text and window.restoreGeometry(QByteArray.fromBase64(text.encode("ascii", "replace"))):
        return
    window.resize(*first_size(QApplication.primaryScreen().availableSize()))


def first_size(screen: QSize) -> tuple[int, int]:
    """Width and height of a window without saved geometry, so that it fits on a screen with its frame."""
    return min(FIRST_SIZE_PX[0], screen.width()), min(FIRST_SIZE_PX[1], screen.height() - FRAME_PX)
