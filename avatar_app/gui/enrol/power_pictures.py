"""Pictures for the step that takes long: a laptop that is plugged in, and one whose lid is closed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QLinearGradient, QPainter, QPainterPath, QPen

from avatar_app.contracts.packets import UInt8
from avatar_app.gui.enrol.example_pictures import Example, Sprite, good

# Drawn on a canvas of this size, whatever the resolution.
CANVAS = (124.0, 92.0)
BODY, BODY_EDGE, KEYS = QColor("#c9ced8"), QColor("#9aa2b1"), QColor("#6d7584")
CABLE, GREEN = QColor("#3c4352"), QColor("#2fb87a")


def plugged(sprite: Sprite, width: int, height: int) -> UInt8:
    """An open laptop with a cable."""

    def draw(painter: QPainter) -> None:
        _draw_lid(painter, sprite)
        _draw_base(painter)
        cable = QPainterPath(QPointF(18, 66))
        cable.cubicTo(QPointF(4, 66), QPointF(12, 84), QPointF(0, 84))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(CABLE, 2.6, c=Qt.PenCapStyle.RoundCap))
        painter.drawPath(cable)
        _draw_bolt(painter)

    return _painted(draw, width, height)


def closed(sprite: Sprite, width: int, height: int) -> UInt8:
    """A closed laptop."""
    del sprite

    def draw(painter: QPainter) -> None:
        painter.setPen(QPen(BODY_EDGE, 1))
        painter.setBrush(_metal(56, 66))
        painter.drawRoundedRect(QRectF(18, 57, 88, 6), 3, 3)
        painter.drawRoundedRect(QRectF(16, 63, 92, 7), 3, 3)

    return _painted(draw, width, height)


MAKE = (Example(True, "Plugged in, lid open", plugged), Example(False, "Lid closed: the computer sleeps", closed))


def _painted(draw: Callable[[QPainter], None], width: int, height: int) -> UInt8:
    image = QImage(width, height, QImage.Format.Format_BGR888)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.scale(width / CANVAS[0], height / CANVAS[1])
    ground = QLinearGradient(0, 0, 0, CANVAS[1])
    ground.setColorAt(0, QColor("#eef1f6"))
    ground.setColorAt(1, QColor("#cfd5df"))
    painter.fillRect(QRectF(0, 0, *CANVAS), QBrush(ground))
    draw(painter)
    painter.end()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(height, image.bytesPerLine())
    return rows[:, : 3 * width].reshape(height, width, 3).copy()


def _draw_lid(painter: QPainter, sprite: Sprite) -> None:
    painter.setPen(QPen(BODY_EDGE, 1))
    painter.setBrush(QColor("#262b35"))
    painter.drawRoundedRect(QRectF(26, 12, 72, 49), 4, 4)
    bgr = np.ascontiguousarray(good(sprite, 264, 172))
    screen = QImage(bgr.data, 264, 172, 3 * 264, QImage.Format.Format_BGR888).copy()
    painter.drawImage(QRectF(29, 15, 66, 43), screen)


def _draw_base(painter: QPainter) -> None:
    painter.setPen(QPen(BODY_EDGE, 1))
    painter.setBrush(_metal(61, 70))
    base = QPainterPath(QPointF(24, 61))
    for x, y in ((100, 61), (107, 68), (105, 70), (19, 70), (17, 68)):
        base.lineTo(x, y)
    base.closeSubpath()
    painter.drawPath(base)
    painter.setPen(QPen(KEYS, 1.2))
    painter.drawLine(QPointF(52, 65.5), QPointF(72, 65.5))


def _draw_bolt(painter: QPainter) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(GREEN)
    bolt = QPainterPath(QPointF(11, 40))
    for x, y in ((4, 53), (9, 53), (7, 62), (15, 48), (10, 48), (13, 40)):
        bolt.lineTo(x, y)
    bolt.closeSubpath()
    painter.drawPath(bolt)


def _metal(top: float, bottom: float) -> QLinearGradient:
    gradient = QLinearGradient(0, top, 0, bottom)
    gradient.setColorAt(0, BODY)
    gradient.setColorAt(1, BODY_EDGE)
    return gradient
