"""Step 4: the result, true and drawn side by side, with figures in words; keep, improve or delete."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout

from avatar_app.contracts.enrol_progress import EnrolFinished
from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.input_file import read_object
from avatar_app.gui.enrol.examples import LOOK, SMALL_PX, Examples
from avatar_app.gui.enrol.page import Page, button, text
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.enrol.video_panel import VideoPanel
from avatar_app.gui.widgets.rows import show_text
from avatar_app.gui.widgets.theme import Tokens

VIDEO_PX = (480, 240)
MAX_SENTENCES, MAX_CHARACTERS = 8, 140
NO_REPORT = "There are no figures."
SIDES = "Left: the recording. Right: the avatar, which has not seen these sentences before."


class LookPage(Page):
    """Shows the result. Thread: main.

    Signals:
        improve_asked(): the user wants a better avatar.
        delete_asked(): the user wants to delete avatar and recording.
    """

    title = "Look at it"
    lead = "Watch the lips on sentences that it has not learned from."
    next_text = "Keep"
    improve_asked = Signal()
    delete_asked = Signal()

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.video = VideoPanel("Recording and avatar side by side", VIDEO_PX)
        self.sides = text("hint", SIDES)
        self.sentences: list[QLabel] = []
        self._figures = QVBoxLayout()
        self._figures.setSpacing(8)
        self.problem = text("hint")
        self.keep_recording = QCheckBox("Keep the recording, to improve the avatar later")
        self.keep_recording.setToolTip("Without it, Keep deletes the recording and all that was made from it")
        self.improve, self.delete = button("Improve"), button("Delete")
        self.improve.setToolTip("Learn longer, with the best quality")
        self.delete.setToolTip("Delete the avatar, its model and the recording")
        self.examples = Examples(LOOK, services.assets, SMALL_PX)
        self._lay_out()
        self.improve.clicked.connect(self.improve_asked)
        self.delete.clicked.connect(self.delete_asked)

    def show_result(self, result: EnrolFinished) -> None:
        """Show what was made."""
        for label in self.sentences:
            label.deleteLater()
        self.sentences = [text("value", one) for one in sentences_of_report(Path(result.report))]
        for label in self.sentences:
            self._figures.addWidget(label)
        show_text(self.problem, "", "")
        self.video.play(result.comparison)

    def show_problem(self, problem: str) -> None:
        """Show why the result could not be kept or deleted."""
        show_text(self.problem, problem, "bad")

    def leave(self) -> None:
        """Close the video, which may be deleted."""
        self.video.stop()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.video.set_tokens(tokens)
        self.examples.set_tokens(tokens)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(self.video)
        left.addWidget(self.sides)
        left.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addWidget(self.improve)
        buttons.addWidget(self.delete)
        buttons.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(10)
        right.addWidget(text("section", "What the figures say"))
        right.addLayout(self._figures)
        right.addStretch(1)
        right.addLayout(buttons)
        top = QHBoxLayout()
        top.setSpacing(24)
        top.addLayout(left)
        top.addLayout(right, 1)
        self.column.addLayout(top)
        self.column.addWidget(self.keep_recording)
        self.column.addWidget(self.problem)
        self.column.addStretch(1)
        self.column.addWidget(self.examples)


def sentences_of_report(file: Path) -> tuple[str, ...]:
    """The sentences of `report.json`; one that says so where there are none."""
    try:
        found = read_object(file).get("sentences")
    except InputFileError:
        return (NO_REPORT,)
    texts = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
    shown = ["".join(c for c in one[:MAX_CHARACTERS] if c.isprintable()) for one in texts[:MAX_SENTENCES]]
    return tuple(shown) or (NO_REPORT,)
