"""A row of dots, one for each prompt: what is recorded, what is shown, what should be repeated."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.gui.enrol.teleprompter import Mark
from avatar_app.gui.widgets.theme import DARK, Tokens

DOT_PX, STEP_PX, HEIGHT_PX = 12, 24, 28
COLOURS = {Mark.NONE: "track", Mark.GOOD: "good", Mark.FLAWED: "warning"}
WORDS = {Mark.NONE: "not recorded", Mark.GOOD: "recorded", Mark.FLAWED: "recorded, better repeated"}
STEP_OF = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class PromptDots(QWidget):
    """Shows the state of all prompts; a click or an arrow key selects one. Thread: main.

    Signals:
        chosen(int): the prompt that the user selected.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Sentences")
        self.setToolTip("Click a dot to see a sentence, and to repeat it")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._tokens = DARK
        self._marks: tuple[Mark, ...] = ()
        self._index = 0

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for all dots."""
        return QSize(max(1, len(self._marks)) * STEP_PX, HEIGHT_PX)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def show_marks(self, marks: Sequence[Mark], index: int) -> None:
        """Show all states, and which prompt is shown."""
        if (tuple(marks), index) == (self._marks, self._index):
            return
        if len(marks) != len(self._marks):
            self.updateGeometry()
        self._marks, self._index = tuple(marks), index
        self.setAccessibleDescription(f"Sentence {index + 1} of {len(marks)}: {WORDS[marks[index]]}")
        self.update()

    def centre_of(self, index: int) -> QPointF:
        """Middle of a dot."""
        return QPointF((index + 0.5) * STEP_PX, HEIGHT_PX / 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the dots, and a ring around the one that is shown."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, mark in enumerate(self._marks):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._tokens.colour(COLOURS[mark]))
            painter.drawEllipse(self.centre_of(number), DOT_PX / 2, DOT_PX / 2)
            if number == self._index:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(self._tokens.colour("accent" if self.hasFocus() else "muted"), 2))
                painter.drawEllipse(self.centre_of(number), DOT_PX / 2 + 4, DOT_PX / 2 + 4)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Select the dot under the pointer."""
        self._choose(int(event.position().x() // STEP_PX))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Select the dot beside with an arrow key."""
        step = STEP_OF.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self._choose(self._index + step)

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self._marks):
            self.chosen.emit(index)
