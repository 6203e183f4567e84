"""The steps of the wizard in a row, with the current one marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.gui.widgets.theme import DARK, Tokens, body_font, figure_font

CIRCLE_PX, TEXT_GAP_PX, STEP_GAP_PX, HEIGHT_PX = 24, 8, 44, 28


class StepBar(QWidget):
    """Numbered circles with names; steps that are done have a tick. Thread: main."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = tuple(names)
        self._index = 0
        self._tokens = DARK
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """One row."""
        return QSize(400, HEIGHT_PX)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def show_step(self, index: int) -> None:
        """Mark a step, counted from 0."""
        self._index = index
        self.setAccessibleName(f"Step {index + 1} of {len(self._names)}: {self._names[index]}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw circles, names, and lines between them."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 1.0
        for number, name in enumerate(self._names):
            left = self._paint_step(painter, number, name, left)
            if number + 1 < len(self._names):
                painter.setPen(QPen(self._tokens.colour("border"), 2))
                middle = HEIGHT_PX / 2
                painter.drawLine(QPointF(left + 12, middle), QPointF(left + STEP_GAP_PX - 12, middle))
                left += STEP_GAP_PX
        painter.end()

    def _paint_step(self, painter: QPainter, number: int, name: str, left: float) -> float:
        """Draw one step; returns where it ends."""
        is_now, is_done = number == self._index, number < self._index
        circle = QRectF(left, (HEIGHT_PX - CIRCLE_PX) / 2, CIRCLE_PX, CIRCLE_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._tokens.colour("accent" if is_now else "good" if is_done else "track"))
        painter.drawEllipse(circle)
        if is_done:
            self._paint_tick(painter, circle)
        else:
            painter.setFont(figure_font(12, is_bold=True))
            painter.setPen(self._tokens.colour("on_accent" if is_now else "text"))
            painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, str(number + 1))
        font = body_font()
        font.setBold(is_now)
        painter.setFont(font)
        painter.setPen(self._tokens.colour("text" if is_now else "muted"))
        width = painter.fontMetrics().horizontalAdvance(name)
        start = left + CIRCLE_PX + TEXT_GAP_PX
        painter.drawText(QRectF(start, 0, width + 2, HEIGHT_PX), Qt.AlignmentFlag.AlignVCenter, name)
        return start + width

    def _paint_tick(self, painter: QPainter, circle: QRectF) -> None:
        pen = QPen(self._tokens.colour("surface"), 2.4, c=Qt.PenCapStyle.RoundCap, j=Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        corner = circle.topLeft()
        painter.drawPolyline([corner + QPointF(x, y) for x, y in ((7.0, 12.4), (10.6, 16.0), (17.0, 8.4))])
