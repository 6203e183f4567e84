"""The mouse wheel scrolls the page, and changes only a control that has the keyboard focus."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

CONTROLS = (QAbstractSlider, QAbstractSpinBox, QComboBox)


class WheelGuard(QObject):
    """Ignores the wheel over controls without focus. Thread: main.

    Args:
        page: all its controls at the time of the call are guarded.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        for control in page.findChildren(QWidget):
            if isinstance(control, CONTROLS) and not isinstance(control, QScrollBar):
                # Some would take the focus at the first turn of the wheel.
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Pass the wheel to the page."""
        if event.type() != QEvent.Type.Wheel or not isinstance(watched, QWidget) or watched.hasFocus():
            return False
        event.ignore()
        return True
