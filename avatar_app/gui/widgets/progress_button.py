"""A button with a progress bar."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QPushButton

from avatar_app.gui.widgets.theme import DARK, RADIUS_PX, Tokens

BAR_PX = 4


class ProgressButton(QPushButton):
    """A plain button with a progress bar along its lower edge. Thread: main.

    Args:
        text: of the button while idle, and its accessible name.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Its text changes while it runs.
        self.setAccessibleName(text)
        self.setProperty("role", "plain")
        self._tokens = DARK
        self._ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """Progress, 0..1; None while idle."""
        return self._ratio

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def show_ratio(self, ratio: float | None) -> None:
        """Show progress, 0..1; None while idle."""
        if ratio != self._ratio:
            self._ratio = ratio
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the button, and the bar inside its rounded border."""
        super().paintEvent(event)
        if self._ratio is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = QPainterPath()
        edge.addRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), RADIUS_PX - 1, RADIUS_PX - 1)
        painter.setClipPath(edge)
        top_px = self.height() - 1 - BAR_PX
        painter.fillRect(QRectF(0, top_px, self.width(), BAR_PX), self._tokens.colour("track"))
        painter.fillRect(QRectF(0, top_px, self.width() * self._ratio, BAR_PX), self._tokens.colour("accent"))
        painter.end()
