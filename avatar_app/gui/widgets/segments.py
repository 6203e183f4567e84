"""A segmented control: a row of joined buttons, one of which is on.

For keyboard and screen reader it is a group of radio buttons: one tab stop, and arrow keys move within it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QGroupBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

Value: TypeAlias = bool | int | str
STEP_OF: Mapping[int, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: its value, its text and its tooltip."""

    value: Value
    text: str
    tip: str = ""


class Segments(QGroupBox):
    """An exclusive choice.

    Args:
        name: for screen readers.
        choices: the buttons from left to right.
        parent: the parent widget.

    Signals:
        chosen(object): the value of the button that the user clicked.
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

    def value(self) -> Value:
        """The chosen value."""
        return self._values[self._group.checkedId()]

    def set_value(self, value: Value) -> None:
        """Choose a value without emitting `chosen`; an unknown one is ignored."""
        if value in self._values:
            has_focus = any(button.hasFocus() for button in self._buttons)
            button = self.button(value)
            button.setChecked(True)
            if has_focus:
                # After a choice that failed, the focus returns to the chosen button.
                button.setFocus()

    def button(self, value: Value) -> QPushButton:
        """The button of a value."""
        return self._buttons[self._values.index(value)]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move where Qt finds no button in the arrow's direction: up, down, and around at the ends."""
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
        # Makes it a radio button for screen readers.
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
        """Let Tab reach the chosen button; Qt does so only after one of them has had the focus."""
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus if is_on else Qt.FocusPolicy.ClickFocus)
        if is_on:
            self.setFocusProxy(button)
