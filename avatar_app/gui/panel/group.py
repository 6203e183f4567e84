"""The base of the panel's sections."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from avatar_app.gui.widgets.rows import Section
from avatar_app.settings.schema import Settings

SECTION_GAP_PX = 20


class Group(QWidget):
    """A column of sections.

    Signals:
        changed(dict): settings that the user changed.
    """

    changed = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SECTION_GAP_PX)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        raise NotImplementedError

    def _add(self, section: Section) -> Section:
        self._column.addWidget(section)
        return section
