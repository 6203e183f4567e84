"""A row of examples: pictures of what is right and what is wrong, with a mark and a caption each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from avatar_app.gui.enrol import example_pictures as pictures
from avatar_app.gui.enrol.example_pictures import Example, Sprite, load_sprite
from avatar_app.gui.widgets.theme import DARK, RADIUS_PX, Tokens

# Six small ones fit beside each other; fewer are larger.
SMALL_PX, LARGE_PX = (112, 84), (160, 120)
MARK_PX = 22
GAP_PX = 10
RIGHT, WRONG = "Right", "Wrong"
WHO = (
    Example(True, "You, or a person who agreed", pictures.good),
    Example(False, "A person who was not asked", pictures.not_asked),
    Example(False, "A drawing or a photo", pictures.sketch),
)
RECORD = (
    Example(True, "Large face, light from the front", pictures.good),
    Example(False, "Too far away", pictures.far),
    Example(False, "Too dark", pictures.dark),
    Example(False, "Light from one side", pictures.one_sided),
    Example(False, "Blurred", pictures.blurred),
    Example(False, "Two faces", pictures.two_faces),
)
LOOK = (
    Example(True, "Sharp lips and teeth", pictures.mouth_sharp),
    Example(False, "Soft lips: record with more light", pictures.mouth_soft),
)


class ExamplePicture(QWidget):
    """One picture with its mark. Thread: main."""

    def __init__(self, example: Example, sprite: Sprite, size_px: tuple[int, int]) -> None:
        super().__init__()
        self._example, self._sprite, self._size_px = example, sprite, size_px
        self._tokens = DARK
        self._image: QImage | None = None
        self.setFixedSize(*size_px)
        self.setAccessibleName(f"{RIGHT if example.is_right else WRONG}: {example.caption}")

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the picture in a rounded card, and the mark in its corner."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = QPainterPath()
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        card.addRoundedRect(area, RADIUS_PX, RADIUS_PX)
        painter.save()
        painter.setClipPath(card)
        painter.drawImage(QPointF(0, 0), self._drawn())
        painter.restore()
        painter.setPen(QPen(self._colour(), 2))
        painter.drawPath(card)
        self._paint_mark(painter)
        painter.end()

    def _drawn(self) -> QImage:
        """The picture in the resolution of the screen."""
        density = self.devicePixelRatioF()
        if self._image is None or self._image.devicePixelRatio() != density:
            width, height = (round(side * density) for side in self._size_px)
            bgr = np.ascontiguousarray(self._example.draw(self._sprite, width, height))
            raw = QImage(bgr.data, width, height, 3 * width, QImage.Format.Format_BGR888)
            # The conversion copies, so the image owns its pixels.
            self._image = raw.convertToFormat(QImage.Format.Format_RGB32)
            self._image.setDevicePixelRatio(density)
        return self._image

    def _colour(self) -> QColor:
        return self._tokens.colour("good" if self._example.is_right else "danger")

    def _paint_mark(self, painter: QPainter) -> None:
        """A tick, or a cross."""
        x, y = self.width() - MARK_PX - 6, self.height() - MARK_PX - 6
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour())
        painter.drawEllipse(QRectF(x, y, MARK_PX, MARK_PX))
        round_cap, round_join = Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
        painter.setPen(QPen(self._tokens.colour("surface"), 2.4, c=round_cap, j=round_join))
        if self._example.is_right:
            corners = [QPointF(x + dx, y + dy) for dx, dy in ((6.2, 11.4), (9.8, 15.0), (16.0, 7.6))]
            painter.drawPolyline(corners)
        else:
            for from_, to in (((7, 7), (15, 15)), ((15, 7), (7, 15))):
                painter.drawLine(QPointF(x + from_[0], y + from_[1]), QPointF(x + to[0], y + to[1]))


class Examples(QWidget):
    """A row of examples. Thread: main.

    Args:
        examples: from left to right.
        assets: folder of the program's assets.
        size_px: of each picture.
    """

    def __init__(self, examples: Sequence[Example], assets: Path, size_px: tuple[int, int] = LARGE_PX) -> None:
        super().__init__()
        sprite = load_sprite(assets)
        self._pictures = [ExamplePicture(example, sprite, size_px) for example in examples]
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP_PX)
        for example, picture in zip(examples, self._pictures, strict=True):
            row.addLayout(_captioned(picture, example.caption))
        row.addStretch(1)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        for picture in self._pictures:
            picture.set_tokens(tokens)


def _captioned(picture: QWidget, caption: str) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(6)
    label = QLabel(caption)
    label.setProperty("role", "hint")
    label.setWordWrap(True)
    label.setFixedWidth(picture.width())
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Minimum)
    label.setMinimumHeight(2 * label.fontMetrics().lineSpacing())
    column.addWidget(picture)
    column.addWidget(label)
    column.addStretch(1)
    return column
