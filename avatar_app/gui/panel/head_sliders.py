"""Sliders for the intensity of head tracking, in percent."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QSlider, QWidget

from avatar_app.settings.schema import FOLLOW_RANGE, SHARE_RANGE, Settings

ROWS = (
    ("follow_head", "Head", FOLLOW_RANGE, "Head rotation; 100 % follows yours exactly"),
    ("follow_gaze", "Gaze", FOLLOW_RANGE, "Eye movement"),
    ("follow_blinks", "Blinks", FOLLOW_RANGE, "Eyelid movement"),
    ("follow_brows", "Brows", FOLLOW_RANGE, "Eyebrow movement"),
    ("idle_share", "Idle motion", SHARE_RANGE, "The avatar's own small movements during head tracking"),
)


class TrackingSliders(QWidget):
    """A slider for each movement.

    Signals:
        changed(dict): settings that the user changed.
    """

    changed = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.sliders: dict[str, QSlider] = {}
        self.values: dict[str, QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        for field, name, limits, tip in ROWS:
            self._add(field, name, limits, tip)
        self.setFocusProxy(self.sliders[ROWS[0][0]])

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        for field, slider in self.sliders.items():
            slider.blockSignals(True)
            slider.setValue(round(100 * getattr(settings, field)))
            slider.blockSignals(False)
            self.values[field].setText(f"{slider.value()} %")

    def _add(self, field: str, name: str, limits: tuple[float, float], tip: str) -> None:
        row = self._grid.rowCount()
        label, value = QLabel(name), QLabel()
        for text in (label, value):
            text.setProperty("role", "value")
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        value.setFixedWidth(48)
        slider = _slider(name, limits, tip)
        slider.valueChanged.connect(lambda percent: self.changed.emit({field: percent / 100}))
        self.sliders[field], self.values[field] = slider, value
        for column, widget in enumerate((label, slider, value)):
            self._grid.addWidget(widget, row, column)


def _slider(name: str, limits: tuple[float, float], tip: str) -> QSlider:
    low, high = limits
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(round(100 * low), round(100 * high))
    slider.setSingleStep(5)
    slider.setPageStep(10)
    slider.setProperty("role", "gain")
    slider.setAccessibleName(name)
    slider.setToolTip(tip)
    return slider
