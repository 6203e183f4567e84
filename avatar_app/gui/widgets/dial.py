"""The look-ahead dial: one stop for each look-ahead."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QSlider, QWidget

from avatar_app.gui.widgets.theme import DARK, Tokens, figure_font
from avatar_app.settings.schema import LOOKAHEADS_MS

NAMES = {0: "Fastest", 40: "Fast", 80: "Balanced", 160: "Most accurate"}
KNOB_PX = 9
TRACK_Y_PX = 16
FOCUS_PX = 2


class LookaheadDial(QSlider):
    """A slider with one stop for each of `LOOKAHEADS_MS`.

    Signals:
        chosen(int): the user moved to another stop; carries milliseconds.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(0, len(LOOKAHEADS_MS) - 1)
        self.setPageStep(1)
        self.setTracking(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Look-ahead")
        self._tokens = DARK
        self._is_quiet = False
        self.valueChanged.connect(self._report)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for knob and labels."""
        return QSize(240, 60)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    @property
    def lookahead_ms(self) -> int:
        """The current stop."""
        return LOOKAHEADS_MS[self.value()]

    def set_lookahead_ms(self, lookahead_ms: int) -> None:
        """Move to a stop without emitting `chosen`."""
        self._is_quiet = True
        self.setValue(LOOKAHEADS_MS.index(lookahead_ms))
        self._is_quiet = False
        self._describe()

    def label(self) -> str:
        """The stop as text, such as "80 ms, balanced"."""
        return f"{self.lookahead_ms} ms, {NAMES[self.lookahead_ms].lower()}"

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Jump to the stop nearest to the pointer."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.setValue(self._stop_at(event.position().x()))
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the pointer."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.setValue(self._stop_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Do nothing: the press has moved the knob."""
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw track, stops, knob and labels."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_track(painter)
        self._paint_knob(painter)
        self._paint_labels(painter)
        painter.end()

    def _report(self) -> None:
        self._describe()
        if not self._is_quiet:
            self.chosen.emit(self.lookahead_ms)

    def _describe(self) -> None:
        self.setAccessibleDescription(self.label())
        self.update()

    def _x_px(self, stop: int) -> float:
        margin = KNOB_PX + FOCUS_PX + 2
        return margin + stop * (self.width() - 2 * margin) / self.maximum()

    def _stop_at(self, x_px: float) -> int:
        return min(range(self.maximum() + 1), key=lambda stop: abs(self._x_px(stop) - x_px))

    def _paint_track(self, painter: QPainter) -> None:
        rest = self._tokens.colour("track")
        accent = self._tokens.colour("accent")
        for colour, first, last in ((rest, 0, self.maximum()), (accent, 0, self.value())):
            painter.setPen(QPen(colour, 4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            start, end = QPointF(self._x_px(first), TRACK_Y_PX), QPointF(self._x_px(last), TRACK_Y_PX)
            painter.drawLine(start, end)
        painter.setPen(Qt.PenStyle.NoPen)
        for stop in range(self.maximum() + 1):
            painter.setBrush(accent if stop <= self.value() else rest)
            painter.drawEllipse(QPointF(self._x_px(stop), TRACK_Y_PX), 5, 5)

    def _paint_knob(self, painter: QPainter) -> None:
        centre = QPointF(self._x_px(self.value()), TRACK_Y_PX)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self._tokens.colour("accent"), FOCUS_PX))
            painter.drawEllipse(centre, KNOB_PX + FOCUS_PX, KNOB_PX + FOCUS_PX)
        painter.setPen(QPen(self._tokens.colour("accent"), 3))
        painter.setBrush(self._tokens.colour("surface"))
        painter.drawEllipse(centre, KNOB_PX - 2, KNOB_PX - 2)

    def _paint_labels(self, painter: QPainter) -> None:
        last = self.maximum()
        for stop, lookahead_ms in enumerate(LOOKAHEADS_MS):
            is_on = stop == self.value()
            painter.setFont(figure_font(11, is_on))
            painter.setPen(self._tokens.colour("text" if is_on else "muted"))
            painter.drawText(*self._place(stop, 30.0), f"{lookahead_ms} ms")
        painter.setFont(figure_font(11))
        painter.setPen(self._tokens.colour("muted"))
        painter.drawText(*self._place(0, 45.0), NAMES[LOOKAHEADS_MS[0]])
        painter.drawText(*self._place(last, 45.0), NAMES[LOOKAHEADS_MS[last]])

    def _place(self, stop: int, top_px: float) -> tuple[QRectF, int]:
        """Place of a label: the outer ones flush with the edges, the others below their stop."""
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        if stop == 0:
            return QRectF(0, top_px, 120, 15), int(Qt.AlignmentFlag.AlignLeft) | middle
        if stop == self.maximum():
            return QRectF(self.width() - 120, top_px, 120, 15), int(Qt.AlignmentFlag.AlignRight) | middle
        return QRectF(self._x_px(stop) - 40, top_px, 80, 15), int(Qt.AlignmentFlag.AlignHCenter) | middle
