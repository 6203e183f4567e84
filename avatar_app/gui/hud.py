"""The figures over the picture: what really happens, in words and numbers that can be read at a glance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from avatar_app.gui.ports import LiveFigures
from avatar_app.gui.theme import figure_font

STAGES = (
    ("capture", "Capture"),
    ("mel", "Mel"),
    ("student", "Student"),
    ("compose", "Compose"),
    ("handover", "Hand-over"),
)
WIDTH_PX = 216
COLUMN_PX = 44
NOTHING = "–"
NO_PAIR = (math.nan, math.nan)
LEFT, RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
PADDING_PX = 12
LINE_PX = 18
GAP_PX = 8
# The HUD lies on pictures, not on the window, so its colours do not follow the theme.
GROUND = QColor(13, 15, 20, 206)
TEXT = QColor("#f2f4f8")
QUIET = QColor("#a9b1c0")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the HUD: a label, one or two figures; an empty label makes a gap."""

    label: str = ""
    value: str = ""
    second: str = ""
    is_strong: bool = False
    is_quiet: bool = False


class Hud(QWidget):
    """Shows figures on a dark glass; painted anew only when a text changes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Figures of the running program")
        self._lines: tuple[Line, ...] = ()
        self._cache: QPixmap | None = None
        self.show_lines((Line("Starting", "", is_strong=True),))

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def show_figures(self, figures: LiveFigures, wanted_fps: int) -> None:
        """Show the state of the pipeline."""
        self.show_lines(lines_of(figures, wanted_fps))

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        """Show lines as they are."""
        if lines == self._lines:
            return
        self._lines, self._cache = lines, None
        self.resize(WIDTH_PX, 2 * PADDING_PX + round(sum(map(_height_px, lines))))
        self.setAccessibleDescription("; ".join(f"{line.label} {line.value}" for line in lines if line.label))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the kept picture of the lines."""
        del event
        if self._cache is None or self._cache.devicePixelRatio() != self.devicePixelRatioF():
            self._cache = self._drawn()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._cache)
        painter.end()

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(GROUND)
        painter.drawRoundedRect(QRectF(0, 0, self.width(), self.height()), 12, 12)
        top = float(PADDING_PX)
        for line in self._lines:
            _paint(painter, line, QRectF(PADDING_PX, top, self.width() - 2 * PADDING_PX, _height_px(line)))
            top += _height_px(line)
        painter.end()
        return pixmap


def lines_of(figures: LiveFigures, wanted_fps: int) -> tuple[Line, ...]:
    """The state of the pipeline as lines of text."""
    return (
        Line(f"{figures.fps_out:.1f} fps", f"of {wanted_fps}", is_strong=True),
        Line(),
        Line("Milliseconds", "p50", "p95", is_quiet=True),
        *(Line(name, *_pair(figures.stage_ms.get(key, NO_PAIR))) for key, name in STAGES),
        Line("Mic to frame", _whole(figures.latency_p50_ms), _whole(figures.latency_p95_ms)),
        Line(),
        *engine_lines(figures),
        Line("Look-ahead", f"{figures.lookahead_ms} ms"),
        Line(),
        Line("Frames dropped", str(figures.n_dropped)),
        Line("Frames repeated", str(figures.n_repeated)),
        Line("Ticks missed", str(figures.n_missed)),
        Line("Memory", f"{figures.rss_mb:.0f} MB"),
        Line("Processor", f"{figures.cpu_percent:.0f} %"),
    )


def engine_lines(figures: LiveFigures) -> tuple[Line, ...]:
    """Model, engine and arithmetic that really run."""
    if not figures.engine:
        return (Line("Model", "loading"),)
    return (Line("Model", figures.model), Line("Engine", figures.engine), Line("Arithmetic", figures.precision))


def _height_px(line: Line) -> float:
    return GAP_PX if not line.label else 26 if line.is_strong else LINE_PX


def _paint(painter: QPainter, line: Line, place: QRectF) -> None:
    left, right = (int(flag | Qt.AlignmentFlag.AlignVCenter) for flag in (LEFT, RIGHT))
    painter.setFont(figure_font(20 if line.is_strong else 12, line.is_strong))
    painter.setPen(TEXT if line.is_strong else QUIET)
    painter.drawText(place, left, line.label)
    label_px = painter.fontMetrics().horizontalAdvance(line.label)
    painter.setFont(figure_font(12))
    painter.setPen(QUIET if line.is_strong or line.is_quiet else TEXT)
    if line.second:
        painter.drawText(place, right, line.second)
        place = place.adjusted(0, 0, -COLUMN_PX, 0)
    room_px = int(place.width() - label_px - 8)
    value = painter.fontMetrics().elidedText(line.value, Qt.TextElideMode.ElideRight, room_px)
    painter.drawText(place, right, value)


def _whole(value_ms: float) -> str:
    return f"{value_ms:.0f}" if math.isfinite(value_ms) else NOTHING


def _pair(pair_ms: tuple[float, float]) -> tuple[str, str]:
    p50, p95 = (f"{value_ms:.1f}" if math.isfinite(value_ms) else NOTHING for value_ms in pair_ms)
    return p50, p95
