"""The button that learns the neutral pose: a countdown while it runs, and a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from avatar_app.gui.panel import webcam_texts as texts
from avatar_app.gui.widgets.progress_button import ProgressButton

if TYPE_CHECKING:
    from avatar_app.live.webcam import WebcamStatus

LENGTH_S = 3.0
CONFIRMED_MS = 2500


class CalibrateButton(ProgressButton):
    """Shows the progress of the calibration. Thread: main."""

    def __init__(self) -> None:
        super().__init__(texts.CALIBRATE)
        self.setToolTip("Sit as you speak, look at the screen and click: the pose of the next 3 seconds is neutral")
        self._confirmed = QTimer(self)
        self._confirmed.setSingleShot(True)
        self._confirmed.setInterval(CONFIRMED_MS)
        self._confirmed.timeout.connect(self.show_off)
        self.clicked.connect(self._confirmed.stop)

    def show_off(self) -> None:
        """Show that no webcam runs."""
        self._show(None, texts.CALIBRATE)

    def show_status(self, status: WebcamStatus | None) -> None:
        """Show the progress; a progress that ends is confirmed for a moment."""
        ratio = status.calibration_ratio if status is not None else None
        if status is not None and ratio is not None:
            self._show(ratio, texts.calibration_text(ratio, LENGTH_S, has_face=status.has_face))
            return
        if self.ratio is not None and self.isEnabled():
            self._confirmed.start()
        self._show(None, texts.CALIBRATED if self._confirmed.isActive() else texts.CALIBRATE)

    def _show(self, ratio: float | None, text: str) -> None:
        self.show_ratio(ratio)
        if self.text() != text:
            self.setText(text)
