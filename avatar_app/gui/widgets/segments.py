"""A row of joined buttons of which one is on: all choices visible, one press to change.

To a keyboard and a screen reader it is a group of radio buttons: one tab stop, arrow keys move within it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QGroupBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

STEP_OF: Mapping[int, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: the value it stands for, its text, and a tool tip."""

    value: Any
    text: str
    tip: str = ""


class Segments(QGroupBox):
    """Exclusive choice.

    Signals:
        chosen(object): the user pressed another button; carries its value.
    """

    chosen = Signal(object)

    def __init__(self, name: str, choices: Sequence[Choice], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "segments")
        self.setAccessibleName(name)
        self._values = [choice.value for choice in choices]
        self._group = QButtonGroup(self)
        self._buttons: list[QPushButton] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(2)
        for number, choice in enumerate(choices):
            layout.addWidget(self._button(number, choice), 4 + len(choice.text))
        self._group.buttonToggled.connect(self._move_tab_stop)
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(lambda number: self.chosen.emit(self._values[number]))

    def value(self) -> Any:
        """The value that is on."""
        return self._values[self._group.checkedId()]

    def set_value(self, value: Any) -> None:
        """Turn a value on without a signal; an unknown one is ignored."""
        if value in self._values:
            has_focus = any(button.hasFocus() for button in self._buttons)
            button = self.button(value)
            button.setChecked(True)
            if has_focus:
                # A choice that was refused: the focus stays on what is chosen.
                button.setFocus()

    def button(self, value: Any) -> QPushButton:
        """The button of a value."""
        return self._buttons[self._values.index(value)]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go on to the next one where Qt finds none in the arrow's direction: up and down, and round at the ends."""
        step = STEP_OF.get(event.key())
        if step is None:
            super().keyPressEvent(event)
            return
        button = self._group.button((self._group.checkedId() + step) % len(self._values))
        button.setFocus()
        button.click()

    def _button(self, number: int, choice: Choice) -> QPushButton:
        button = QPushButton(choice.text)
        button.setProperty("role", "segment")
        button.setCheckable(True)
        # What screen readers call a radio button.
        button.setAutoExclusive(True)
        button.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        button.setAutoDefault(False)
        button.setToolTip(choice.tip)
        button.setAccessibleName(choice.text)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._group.addButton(button, number)
        self._buttons.append(button)
        return button

    def _move_tab_stop(self, button: QAbstractButton, is_on: bool) -> None:
        """The one that is on is reached by Tab; Qt does so only once one of them has had the focus."""
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus if is_on else Qt.FocusPolicy.ClickFocus)
        if is_on:
            self.setFocusProxy(button)
