"""The few questions that open a window of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QFileDialog, QWidget

from avatar_app.gui.ports import Dialogs

PICTURES = "Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.tif *.tiff);;All files (*)"
SOUNDS = "Sound and video (*.wav *.flac *.mp3 *.ogg *.opus *.m4a *.aac *.mp4 *.mkv *.webm *.mov);;All files (*)"


def dialogs(parent: Callable[[], QWidget]) -> Dialogs:
    """The system's own dialogs, above the given window."""
    return Dialogs(
        ask_colour=lambda current: _colour(parent(), current),
        ask_picture=lambda current: _file(parent(), "Choose a picture", str(Path(current).parent), PICTURES),
        ask_sound=lambda: _file(parent(), "Choose a sound file", "", SOUNDS),
    )


def _colour(parent: QWidget, current: str) -> str | None:
    colour = QColorDialog.getColor(QColor(current), parent, "Choose the background colour")
    return colour.name() if colour.isValid() else None


def _file(parent: QWidget, title: str, folder: str, kinds: str) -> str | None:
    path, _ = QFileDialog.getOpenFileName(parent, title, folder, kinds)
    return path or None
