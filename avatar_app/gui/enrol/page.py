"""The base of the wizard's pages, and what they are built from."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from avatar_app.gui.widgets.theme import Tokens

GAP_PX = 16


class Page(QWidget):
    """One step of the wizard. Thread: main.

    Attributes:
        title, lead: heading of the step, and a sentence below it.
        next_text: of the button that leaves the step.

    Signals:
        changed(): `next_text`, `can_go_on` or `can_go_back` may have changed.
        done(): the step is finished by itself.
    """

    title = ""
    lead = ""
    next_text = "Next"
    changed = Signal()
    done = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(GAP_PX)

    @property
    def can_go_on(self) -> bool:
        """Whether the step is complete."""
        return True

    @property
    def can_go_back(self) -> bool:
        """Whether the step before can be shown."""
        return True

    def enter(self) -> None:
        """The step is shown."""

    def leave(self) -> None:
        """Another step is shown, or the window is closed."""

    def go_on(self) -> bool:
        """The user leaves the step by its button; returns whether the next one is shown."""
        return True

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""


def text(role: str, content: str = "") -> QLabel:
    """A label that wraps."""
    label = QLabel(content)
    label.setProperty("role", role)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def button(title: str, role: str = "plain") -> QPushButton:
    """A push button that Enter does not press from another control."""
    result = QPushButton(title)
    result.setProperty("role", role)
    result.setAutoDefault(False)
    return result


def set_role(widget: QPushButton, role: str) -> None:
    """Set the property `role`, which the style sheet uses."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def card() -> tuple[QFrame, QVBoxLayout]:
    """A framed area, and its column."""
    frame = QFrame()
    frame.setProperty("role", "card")
    column = QVBoxLayout(frame)
    column.setContentsMargins(20, 16, 20, 16)
    column.setSpacing(10)
    return frame, column
