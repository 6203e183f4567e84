"""Statistics of the live path, beside or over the picture."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from avatar_app.gui.widgets.engines import engine_title
from avatar_app.gui.widgets.theme import DARK, Tokens, figure_font

if TYPE_CHECKING:
    from avatar_app.live.pipeline import LiveStatus

STAGES = (
    ("capture", "Capture"),
    ("mel", "Mel"),
    ("student", "Inference"),
    ("compose", "Compose"),
    ("handover", "Display"),
)
SOUND_STAGES = ("capture", "mel", "student")
WIDTH_PX, LITTLE_WIDTH_PX = 234, 156
COLUMN_PX = 44
# Longer numbers have no decimal, so that the columns stay apart.
MAX_DECIMAL_MS = 100
NOTHING = "–"
NO_PAIR = (math.nan, math.nan)
LEFT, RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
PADDING_PX = 12
LINE_PX = 18
GAP_PX = 8
OPACITY = 0.86


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a label, one or two values; an empty label makes a gap."""

    label: str = ""
    value: str = ""
    second: str = ""
    is_strong: bool = False
    is_quiet: bool = False
    is_vital: bool = False


class Room(enum.Enum):
    """Where the statistics are: beside the picture, over it, or over one so small that few lines fit."""

    BESIDE = "beside"
    OVER = "over"
    LITTLE = "little"


class Hud(QWidget):
    """Shows lines on a translucent card; repaints only when a text changes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Statistics")
        self._lines: tuple[Line, ...] = ()
        self._tokens = DARK
        self._room = Room.BESIDE
        self._cache: QPixmap | None = None
        self.show_lines((Line("Starting", is_strong=True, is_vital=True),))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The visible lines."""
        if self._room is Room.BESIDE:
            return self._lines
        return tuple(line for line in self._lines if (line.is_vital if self._room is Room.OVER else line.is_strong))

    @property
    def full_width_px(self) -> int:
        """Width with all lines."""
        return WIDTH_PX

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self._renew()

    def set_room(self, room: Room) -> None:
        """Show the lines that fit."""
        if room is not self._room:
            self._room = room
            self._renew()

    def show_status(self, status: LiveStatus, wanted_fps: int) -> None:
        """Show the status of the live path."""
        self.show_lines(lines_of(status, wanted_fps))

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        """Show these lines."""
        if lines == self._lines:
            return
        self._lines = lines
        self._renew()

    def _renew(self) -> None:
        """Fit the size to the lines and discard the cached picture."""
        self._cache = None
        self.resize(
            LITTLE_WIDTH_PX if self._room is Room.LITTLE else WIDTH_PX,
            2 * PADDING_PX + sum(map(_height_px, self.lines)),
        )
        texts = (f"{line.label} {line.value} {line.second}".strip() for line in self.lines if line.label)
        self.setAccessibleDescription("; ".join(texts))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the cached picture of the lines."""
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
        ground = self._tokens.colour("surface")
        ground.setAlphaF(OPACITY)
        painter.setPen(self._tokens.colour("border"))
        painter.setBrush(ground)
        painter.drawRoundedRect(QRectF(0.5, 0.5, self.width() - 1, self.height() - 1), 12, 12)
        top = PADDING_PX
        for line in self.lines:
            place = QRectF(PADDING_PX, top, self.width() - 2 * PADDING_PX, _height_px(line))
            _paint(painter, line, place, self._tokens)
            top += _height_px(line)
        painter.end()
        return pixmap


def lines_of(status: LiveStatus, wanted_fps: int) -> tuple[Line, ...]:
    """The status as lines of text; a value that is not measured now is a dash."""
    measured = {} if not status.fps_out else status.stage_ms
    if not status.mic.rate_hz:
        measured = {key: pair for key, pair in measured.items() if key not in SOUND_STAGES}
    has_latency = bool(status.fps_out and status.mic.rate_hz)
    latency_ms = (status.latency_p50_ms, status.latency_p95_ms) if has_latency else NO_PAIR
    return (
        Line(f"{status.fps_out:.1f} fps", f"of {wanted_fps}", is_strong=True, is_vital=True),
        Line(),
        Line("Milliseconds", "p50", "p95", is_quiet=True, is_vital=True),
        *(Line(name, *_pair(measured.get(key, NO_PAIR))) for key, name in STAGES),
        Line("Mic to frame", _whole(latency_ms[0]), _whole(latency_ms[1]), is_vital=True),
        Line(),
        *engine_lines(status),
        Line("Look-ahead", f"{status.lookahead_ms} ms"),
        Line(),
        Line("Frames dropped", str(status.n_dropped), is_vital=True),
        Line("Frames repeated", str(status.n_repeated)),
        Line("Frames missed", str(status.n_missed)),
        Line("Memory", f"{status.rss_mb:.0f} MB"),
        Line("CPU", f"{status.cpu_percent:.0f} %"),
    )


def engine_lines(status: LiveStatus) -> tuple[Line, ...]:
    """Model, engine and precision in use."""
    if not status.engine:
        return (Line("Model", "loading", is_vital=True),)
    return (
        Line("Model", status.model),
        Line("Engine", engine_title(status.engine)),
        Line("Precision", status.precision, is_vital=True),
    )


def _height_px(line: Line) -> int:
    return GAP_PX if not line.label else 26 if line.is_strong else LINE_PX


def _paint(painter: QPainter, line: Line, place: QRectF, tokens: Tokens) -> None:
    left, right = (int(flag | Qt.AlignmentFlag.AlignVCenter) for flag in (LEFT, RIGHT))
    painter.setFont(figure_font(20 if line.is_strong else 12, line.is_strong))
    painter.setPen(tokens.colour("text" if line.is_strong else "muted"))
    painter.drawText(place, left, line.label)
    label_px = painter.fontMetrics().horizontalAdvance(line.label)
    painter.setFont(figure_font(12))
    painter.setPen(tokens.colour("muted" if line.is_strong or line.is_quiet else "text"))
    if line.second:
        painter.drawText(place, right, line.second)
        place = place.adjusted(0, 0, -COLUMN_PX, 0)
    room_px = int(place.width() - label_px - 8)
    value = painter.fontMetrics().elidedText(line.value, Qt.TextElideMode.ElideRight, room_px)
    painter.drawText(place, right, value)


def _whole(value_ms: float) -> str:
    return f"{value_ms:.0f}" if math.isfinite(value_ms) else NOTHING


def _pair(pair_ms: tuple[float, float]) -> tuple[str, str]:
    p50, p95 = (f"{value_ms:.1f}" if value_ms < MAX_DECIMAL_MS else _whole(value_ms) for value_ms in pair_ms)
    return p50, p95
