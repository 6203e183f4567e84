"""A row of joined buttons of which one is on: all choices visible, one press to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QSizePolicy, QWidget


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: the value it stands for, its text, and a tool tip."""

    value: Any
    text: str
    tip: str = ""


class Segments(QFrame):
    """Exclusive choice. Arrow keys move between the buttons, Tab leaves the row.

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
            layout.addWidget(self._button(name, number, choice), 4 + len(choice.text))
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(lambda number: self.chosen.emit(self._values[number]))
        self.setFocusProxy(self._group.button(0))

    def value(self) -> Any:
        """The value that is on."""
        return self._values[self._group.checkedId()]

    def set_value(self, value: Any) -> None:
        """Turn a value on without a signal; an unknown one is ignored."""
        if value in self._values:
            button = self._group.button(self._values.index(value))
            button.setChecked(True)
            self.setFocusProxy(button)

    def button(self, value: Any) -> QPushButton:
        """The button of a value."""
        return self._buttons[self._values.index(value)]

    def _button(self, name: str, number: int, choice: Choice) -> QPushButton:
        button = QPushButton(choice.text)
        button.setProperty("role", "segment")
        button.setCheckable(True)
        button.setAutoDefault(False)
        button.setToolTip(choice.tip)
        button.setAccessibleName(f"{name}: {choice.text}")
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._group.addButton(button, number)
        self._buttons.append(button)
        return button
