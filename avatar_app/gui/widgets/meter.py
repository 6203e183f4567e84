"""Level meter: RMS as a bar, the held peak as a line, and its value in dB."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.contracts.units import NS_PER_S
from avatar_app.gui.widgets.theme import DARK, Tokens, figure_font

FLOOR_DB = -60.0
WARM_DB = -18.0
HOT_DB = -6.0
FALL_DB_PER_S = 40.0
PEAK_HOLD_NS = 1_200_000_000
PEAK_FALL_DB_PER_S = 20.0
BAR_PX = 8
TICKS_DB = (-48, -36, -24, -12, 0)


class Ballistics:
    """Meter ballistics: instant attack, slow release; the peak is held before it falls."""

    def __init__(self) -> None:
        self.level_db = FLOOR_DB
        self.peak_db = FLOOR_DB
        self._t_ns = 0
        self._t_peak_ns = 0

    def feed(self, level_db: float, peak_db: float, t_ns: int) -> None:
        """Add a measurement in dBFS."""
        elapsed_s = max(0.0, (t_ns - self._t_ns) / NS_PER_S) if self._t_ns else 0.0
        self._t_ns = t_ns
        self.level_db = _clamp(max(level_db, self.level_db - FALL_DB_PER_S * elapsed_s))
        if _clamp(peak_db) >= self.peak_db:
            self.peak_db, self._t_peak_ns = _clamp(peak_db), t_ns
        elif t_ns - self._t_peak_ns > PEAK_HOLD_NS:
            self.peak_db = _clamp(self.peak_db - PEAK_FALL_DB_PER_S * elapsed_s)


class LevelMeter(QWidget):
    """Shows the microphone level; repaints only when a pixel changes.

    Args:
        is_compact: the bar alone, without scale and value.
        parent: the parent widget.
    """

    def __init__(self, is_compact: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Microphone level")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._is_compact = is_compact
        self._is_active = True
        self._tokens = DARK
        self._ballistics = Ballistics()
        self._shown: tuple[int, int, str, bool] | None = None

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for bar and scale."""
        return QSize(120, BAR_PX + 4) if self._is_compact else QSize(240, 36)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    @property
    def level_db(self) -> float:
        """The displayed level in dBFS."""
        return self._ballistics.level_db

    @property
    def peak_db(self) -> float:
        """The displayed peak in dBFS."""
        return self._ballistics.peak_db

    def show_level(self, level_db: float, peak_db: float, t_ns: int, is_active: bool = True) -> None:
        """Show a measurement in dBFS; an inactive meter (muted, stopped) is grey."""
        self._is_active = is_active
        self._ballistics.feed(_number(level_db), _number(peak_db), t_ns)
        shown = (self._x_px(self.level_db), self._x_px(self.peak_db), self._value_text(), is_active)
        if shown != self._shown:
            self._shown = shown
            self.setAccessibleDescription(self._value_text())
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw bar and peak and, unless compact, scale and value."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_bar(painter)
        if not self._is_compact:
            self._paint_scale(painter)
        painter.end()

    def _bar(self) -> QRectF:
        top = (self.height() - BAR_PX) / 2 if self._is_compact else 4.0
        right = 0 if self._is_compact else 64
        return QRectF(0, top, max(1, self.width() - right), BAR_PX)

    def _x_px(self, level_db: float) -> int:
        return round((_clamp(level_db) - FLOOR_DB) / -FLOOR_DB * self._bar().width())

    def _value_text(self) -> str:
        return "silent" if self.peak_db <= FLOOR_DB else f"{round(self.peak_db)} dB"

    def _paint_bar(self, painter: QPainter) -> None:
        bar = self._bar()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._tokens.colour("track"))
        painter.drawRoundedRect(bar, BAR_PX / 2, BAR_PX / 2)
        x_px = self._x_px(self.level_db)
        if x_px >= BAR_PX:
            painter.setBrush(self._fill(bar))
            painter.drawRoundedRect(QRectF(bar.x(), bar.y(), x_px, bar.height()), BAR_PX / 2, BAR_PX / 2)
        peak_px = self._x_px(self.peak_db)
        if peak_px > BAR_PX:
            painter.setPen(QPen(self._level_colour(self.peak_db), 2))
            painter.drawLine(QPointF(peak_px - 1, bar.top()), QPointF(peak_px - 1, bar.bottom()))

    def _fill(self, bar: QRectF) -> QLinearGradient | QColor:
        if not self._is_active:
            return self._tokens.colour("muted")
        gradient = QLinearGradient(bar.left(), 0, bar.right(), 0)
        for level_db, name in ((FLOOR_DB, "good"), (WARM_DB, "good"), (HOT_DB, "warning"), (0, "danger")):
            gradient.setColorAt((level_db - FLOOR_DB) / -FLOOR_DB, self._tokens.colour(name))
        return gradient

    def _level_colour(self, level_db: float) -> QColor:
        if not self._is_active:
            return self._tokens.colour("muted")
        name = "danger" if level_db > HOT_DB / 2 else "warning" if level_db > WARM_DB + 3 else "good"
        return self._tokens.colour(name)

    def _paint_scale(self, painter: QPainter) -> None:
        bar = self._bar()
        painter.setFont(figure_font(10))
        painter.setPen(self._tokens.colour("muted"))
        for tick_db in TICKS_DB:
            x_px = self._x_px(tick_db)
            place = QRectF(x_px - 20, bar.bottom() + 4, 40 if tick_db else 20, 14)
            flag = Qt.AlignmentFlag.AlignHCenter if tick_db else Qt.AlignmentFlag.AlignRight
            painter.drawText(place, int(flag | Qt.AlignmentFlag.AlignVCenter), f"{tick_db}")
        painter.setFont(figure_font(12))
        place = QRectF(bar.right() + 8, bar.center().y() - 9, 56, 18)
        painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), self._value_text())


def _clamp(level_db: float) -> float:
    return min(0.0, max(FLOOR_DB, level_db))


def _number(level_db: float) -> float:
    return level_db if math.isfinite(level_db) else FLOOR_DB
