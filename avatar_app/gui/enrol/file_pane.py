"""A video file in place of a recording: chosen, or dropped here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from avatar_app.gui.enrol.page import GAP_PX, button, text
from avatar_app.gui.widgets.rows import set_state, show_text

DROP = "Drop a video here"
WANTED = (
    "Ten seconds still and silent, then about 45 seconds of speech.",
    "Upright or across; your face fills a quarter of the picture or more.",
    "Light from the front, a quiet room, one person in the picture.",
)
NO_FILE = "There is no video file in what was dropped. Drop a video from the phone or the camera."
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".3gp")


class FilePane(QFrame):
    """An area for a video file. Thread: main.

    Args:
        ask_video: lets the user choose a file; None when cancelled.

    Signals:
        changed(): `files` changed.
    """

    changed = Signal()

    def __init__(self, ask_video: Callable[[], str | None]) -> None:
        super().__init__()
        self._ask_video = ask_video
        self.files: tuple[Path, ...] = ()
        self.area = QFrame()
        self.area.setProperty("role", "drop")
        self.area.setMinimumHeight(180)
        self.choose = button("Choose a video …")
        self.clear = button("Remove")
        self.chosen = text("value")
        self.setAcceptDrops(True)
        self._lay_out()
        self.choose.clicked.connect(self._choose)
        self.clear.clicked.connect(lambda: self.set_files(()))
        self.set_files(())

    def set_files(self, files: Sequence[Path]) -> None:
        """Use these files."""
        self.files = tuple(files)
        show_text(self.chosen, "\n".join(path.name for path in self.files), "")
        self.chosen.setToolTip("\n".join(str(path) for path in self.files))
        self.clear.setVisible(bool(self.files))
        self.changed.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Accept files."""
        if event.mimeData().hasUrls():
            set_state(self.area, "over")
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """Show the area as before."""
        del event
        set_state(self.area, "")

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Use the videos that were dropped."""
        set_state(self.area, "")
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        videos = [path for path in paths if path.suffix.lower() in SUFFIXES]
        event.acceptProposedAction()
        if videos:
            self.set_files(videos)
        else:
            self.set_files(())
            show_text(self.chosen, NO_FILE, "warning")

    def _choose(self) -> None:
        path = self._ask_video()
        if path is not None:
            self.set_files((Path(path),))

    def _lay_out(self) -> None:
        drop = QLabel(DROP)
        drop.setProperty("role", "prompt")
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addStretch(1)
        buttons.addWidget(self.choose)
        buttons.addWidget(self.clear)
        buttons.addStretch(1)
        inside = QVBoxLayout(self.area)
        inside.setContentsMargins(24, 24, 24, 24)
        inside.setSpacing(12)
        inside.addStretch(1)
        for label in (drop, self.chosen):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            inside.addWidget(label)
        inside.addLayout(buttons)
        inside.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP_PX)
        column.addWidget(self.area, 1)
        column.addLayout(_list(WANTED))


def _list(lines: Sequence[str]) -> QVBoxLayout:
    """Lines with a dot in front of each."""
    column = QVBoxLayout()
    column.setSpacing(2)
    for line in lines:
        column.addWidget(text("hint", f"•  {line}"))
    return column
