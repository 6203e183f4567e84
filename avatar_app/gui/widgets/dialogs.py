"""File, folder, colour and name dialogs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QFileDialog, QInputDialog, QWidget

from avatar_app.gui.ports import Dialogs

PICTURES = "Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.tif *.tiff);;All files (*)"
SOUNDS = "Sound and video (*.wav *.flac *.mp3 *.ogg *.opus *.m4a *.aac *.mp4 *.mkv *.webm *.mov);;All files (*)"
VIDEOS = "Videos (*.mp4 *.mkv *.webm *.mov *.avi);;All files (*)"
PROFILES = "Profiles (*.json);;All files (*)"


def dialogs(parent: Callable[[], QWidget | None]) -> Dialogs:
    """The dialogs of the system, above the window that `parent` returns."""
    return Dialogs(
        ask_colour=lambda current: _colour(parent(), current),
        ask_picture=lambda current: _file(parent(), "Choose a picture", str(Path(current).parent), PICTURES),
        ask_sound=lambda: _file(parent(), "Choose a sound file", "", SOUNDS),
        ask_video=lambda: _file(parent(), "Choose a video file", "", VIDEOS),
        ask_name=lambda current: _name(parent(), current),
        ask_profile=lambda: _file(parent(), "Choose a profile", "", PROFILES),
        ask_profile_to_write=lambda name: _new_file(parent(), "Export profile", f"{name}.json", PROFILES),
        ask_folder=lambda current: _folder(parent(), current),
    )


def _colour(parent: QWidget | None, current: str) -> str | None:
    colour = QColorDialog.getColor(QColor(current), parent, "Choose a background colour")
    return colour.name() if colour.isValid() else None


def _file(parent: QWidget | None, title: str, folder: str, kinds: str) -> str | None:
    path, _ = QFileDialog.getOpenFileName(parent, title, folder, kinds)
    return path or None


def _new_file(parent: QWidget | None, title: str, name: str, kinds: str) -> str | None:
    path, _ = QFileDialog.getSaveFileName(parent, title, name, kinds)
    return path or None


def _folder(parent: QWidget | None, current: str) -> str | None:
    return QFileDialog.getExistingDirectory(parent, "Choose a folder for recordings", current) or None


def _name(parent: QWidget | None, current: str) -> str | None:
    text, is_given = QInputDialog.getText(parent, "Save profile", "Profile name:", text=current)
    return text if is_given and text.strip() else None
