"""Recordings: format and folder."""

from __future__ import annotations

from pathlib import PurePath

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from avatar_app.gui.panel.sink_section import SinkSection, SinkServices, opaque_warning, show_opacity
from avatar_app.gui.widgets.rows import Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.settings.schema import Settings

FORMAT_CHOICES = (
    Choice("mp4", "MP4", "H.264 video: plays everywhere"),
    Choice("prores", "ProRes", "ProRes 4444 with transparency; large files"),
    Choice("webm", "WebM", "VP9 with transparency"),
)
TRANSPARENT_FORMATS = ("prores", "webm")
FOLDER_TEXT_PX = 240


class RecordingSection(SinkSection):
    """Format and folder of recordings."""

    def __init__(self, services: SinkServices) -> None:
        super().__init__()
        self._dialogs = services.dialogs
        self._folder = ""
        self.format = Segments("Recordings", FORMAT_CHOICES)
        self.warning = opaque_warning()
        self.folder = QPushButton()
        self.folder.setProperty("role", "swatch")
        self.folder.setToolTip("Choose the folder for recordings and snapshots")
        self.folder.setAccessibleName("Folder for recordings")
        section = self._add(Section("Recor&dings", self.format))
        section.add(self.warning)
        section.add(self.folder)
        self.format.chosen.connect(lambda value: self.changed.emit({"record_format": value}))
        self.folder.clicked.connect(self._ask_folder)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.format.set_value(settings.record_format)
        self._folder = settings.record_folder
        name = PurePath(self._folder).name if self._folder else "Videos"
        metrics = self.folder.fontMetrics()
        self.folder.setText(metrics.elidedText(f"Folder: {name}", Qt.TextElideMode.ElideMiddle, FOLDER_TEXT_PX))
        self.folder.setAccessibleDescription(name)
        show_opacity(self.warning, settings, is_wanted=settings.record_format in TRANSPARENT_FORMATS)

    def _ask_folder(self) -> None:
        folder = self._dialogs.ask_folder(self._folder)
        if folder is not None:
            self.changed.emit({"record_folder": folder})
