"""Building blocks of the panel's sections."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from avatar_app.gui.ports import Option
from avatar_app.gui.widgets import mnemonics

SECTION_SPACING_PX = 8

# Of an open drop-down list.
MAX_LIST_PX, LIST_MARGINS_PX = 420, 24
# One notch of a wheel in Qt's units.
NOTCH = 120


class Chooser(QComboBox):
    """A drop-down list of options.

    Args:
        name: for screen readers.
        tip: the tooltip.

    Signals:
        chosen(str): the value of the option that the user chose.
    """

    chosen = Signal(str)

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._turned = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(lambda number: self.chosen.emit(self.itemData(number)))

    def value(self) -> str:
        """The chosen value."""
        return str(self.currentData() if self.currentData() is not None else "")

    def set_options(self, options: Sequence[Option]) -> None:
        """Replace the list; the chosen value stays if it still exists."""
        value = self.value()
        self.clear()
        for number, option in enumerate(options):
            self.addItem(option.text, option.value)
            self.setItemData(number, option.tip, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(0, self.findData(value)))

    def set_value(self, value: str, missing_text: str) -> None:
        """Choose a value without emitting `chosen`; an unknown one is added as `missing_text`."""
        if self.findData(value) < 0:
            self.addItem(missing_text, value)
        self.setCurrentIndex(self.findData(value))

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, wide enough for its texts where they are longer than the box."""
        view = self.view()
        view.setMinimumWidth(min(MAX_LIST_PX, view.sizeHintForColumn(0) + LIST_MARGINS_PX))
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the next entry, but never to one that opens a dialog, which ends with an ellipsis."""
        # A touchpad sends fractions of a notch.
        self._turned += event.angleDelta().y()
        n_notches = int(self._turned / NOTCH)
        self._turned -= n_notches * NOTCH
        row = self.currentIndex() - n_notches
        if n_notches and 0 <= row < self.count() and not self.itemText(row).endswith("…"):
            self.setCurrentIndex(row)
            self.activated.emit(row)
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw as Qt does, but with an ellipsis where style sheets would cut a long text off."""
        del event
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() < 0:
            option.currentText = self.placeholderText()
        option.currentText = self.shown_text(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def shown_text(self, option: QStyleOptionComboBox) -> str:
        """The text of the closed box."""
        part = QStyle.SubControl.SC_ComboBoxEditField
        room_px = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - 2
        return self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideMiddle, room_px)


class OneLine(QLabel):
    """A line of constant height; a text that does not fit ends with an ellipsis, and is the tooltip."""

    def __init__(self, role: str, side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        super().__init__()
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_line(self, text: str, tip: str = "") -> None:
        """Set the text, which is also the tooltip; `tip` extends the tooltip."""
        if self.text() != text:
            self.setText(text)
        self.setToolTip(f"{text}, {tip}" if tip else text)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the text with an ellipsis if needed."""
        del event
        painter = QStylePainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        role = self.foregroundRole()
        painter.drawItemText(self.rect(), int(self.alignment()), self.palette(), self.isEnabled(), text, role)
        painter.end()


class Section(QWidget):
    """A heading and its controls. Alt and the letter after `&` in the title focus `buddy`.

    Args:
        title: the heading, and the buddy's name for screen readers.
        buddy: the control below the heading.
        beside: an optional control to the right of the buddy.
    """

    def __init__(self, title: str, buddy: QWidget, beside: QWidget | None = None) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SECTION_SPACING_PX)
        head = QHBoxLayout()
        heading = mnemonics.label(title, buddy, self)
        heading.setProperty("role", "section")
        self.value_label = OneLine("value", Qt.AlignmentFlag.AlignRight)
        head.addWidget(heading)
        head.addWidget(self.value_label, 1)
        self._column.addLayout(head)
        row = QHBoxLayout()
        row.addWidget(buddy, 1)
        if beside is not None:
            row.addWidget(beside)
        self._column.addLayout(row)

    def add(self, widget: QWidget) -> None:
        """Append a row."""
        self._column.addWidget(widget)


def labelled(text: str, control: QWidget) -> QWidget:
    """A control with a label, which is also its name for screen readers."""
    row, label = QWidget(), QLabel(text)
    label.setProperty("role", "value")
    label.setBuddy(control)
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(12)
    layout.addWidget(label)
    layout.addWidget(control, 1)
    return row


def hint(text: str = "", n_lines: int = 1) -> QLabel:
    """A small text; `n_lines` reserves its height."""
    label = QLabel(text)
    label.setProperty("role", "hint")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setMinimumHeight(n_lines * label.fontMetrics().lineSpacing() if n_lines > 1 else 0)
    return label


def set_state(widget: QWidget, state: str) -> None:
    """Set the property `state`, which the style sheet uses."""
    if widget.property("state") != state:
        widget.setProperty("state", state)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def show_text(label: QLabel, text: str, state: str = "") -> None:
    """Set a label's text, and its `state` for the style sheet."""
    if label.text() != text:
        label.setText(text)
    set_state(label, state)
