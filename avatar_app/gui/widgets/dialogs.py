"""File, folder, colour and name dialogs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QFileDialog, QInputDialog, QMessageBox, QWidget

from avatar_app.gui.ports import Dialogs

PICTURES = "Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.tif *.tiff);;All files (*)"
SOUNDS = "Sound and video (*.wav *.flac *.mp3 *.ogg *.opus *.m4a *.aac *.mp4 *.mkv *.webm *.mov);;All files (*)"
VIDEOS = "Videos (*.mp4 *.mkv *.webm *.mov *.avi);;All files (*)"
PROFILES = "Profiles (*.json);;All files (*)"
AVATARS = "Avatars (*.avatar);;All files (*)"
DELETE = "Delete {}? The avatar, its model and its recording are gone then. Exported files stay."


def dialogs(parent: Callable[[], QWidget | None]) -> Dialogs:
    """The dialogs of the system, above the window that `parent` returns."""
    return Dialogs(
        ask_colour=lambda current: _colour(parent(), current),
        ask_picture=lambda current: _file(parent(), "Choose a picture", str(Path(current).parent), PICTURES),
        ask_sound=lambda: _file(parent(), "Choose a sound file", "", SOUNDS),
        ask_video=lambda: _file(parent(), "Choose a video file", "", VIDEOS),
        ask_name=lambda current: _text(parent(), "Save profile", "Profile name:", current),
        ask_profile=lambda: _file(parent(), "Choose a profile", "", PROFILES),
        ask_profile_to_write=lambda name: _new_file(parent(), "Export profile", f"{name}.json", PROFILES),
        ask_folder=lambda current: _folder(parent(), current),
        ask_title=lambda current: _text(parent(), "Rename avatar", "Avatar name:", current),
        ask_avatar=lambda: _file(parent(), "Choose an avatar file", "", AVATARS),
        ask_avatar_to_write=lambda name: _new_file(parent(), "Export avatar", name, AVATARS),
        ask_delete=lambda name: _agrees(parent(), name),
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


def _text(parent: QWidget | None, title: str, label: str, current: str) -> str | None:
    text, is_given = QInputDialog.getText(parent, title, label, text=current)
    return text if is_given and text.strip() else None


def _agrees(parent: QWidget | None, name: str) -> bool:
    """Ask whether an avatar is to be deleted; Escape and Enter mean no."""
    box = QMessageBox(QMessageBox.Icon.Question, "Delete avatar", DELETE.format(name), parent=parent)
    yes = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is yes
