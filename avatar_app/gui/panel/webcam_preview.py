"""The preview of the webcam with its landmarks. No picture is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.gui.widgets.theme import DARK, RADIUS_PX, Tokens

if TYPE_CHECKING:
    from avatar_app.live.webcam import Preview

# 16:9 in the panel's width; a 4:3 camera then takes 216 x 162.
SIZE_PX = (288, 162)
# In Face Mesh the landmarks of the irises follow the 468 of the skin.
N_SKIN_POINTS = 468
SKIN_POINT_PX, IRIS_POINT_PX = 1.1, 2.0
SKIN_COLOUR = QColor(255, 255, 255, 150)


class WebcamPreview(QWidget):
    """Shows the newest picture, or a caption without one. Thread: main.

    It holds one picture, in the size in which it is painted, and only while it is visible.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Webcam preview")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._tokens = DARK
        self._caption = ""
        self._is_mirrored = True
        self._image: QImage | None = None
        self._skin = self._irises = QPolygonF()
        self._t_shown_ns = -1

    @property
    def image(self) -> QImage | None:
        """The painted picture; None without one."""
        return self._image

    @property
    def n_points(self) -> int:
        """The number of landmarks."""
        return self._skin.size() + self._irises.size()

    @property
    def caption(self) -> str:
        """The caption; empty while there is a picture."""
        return "" if self._image is not None else self._caption

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The width of the panel."""
        return QSize(*SIZE_PX)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def set_mirrored(self, *, is_mirrored: bool) -> None:
        """Mirror the picture, or not."""
        if is_mirrored != self._is_mirrored:
            self._is_mirrored = is_mirrored
            self.update()

    def show_picture(self, picture: Preview) -> None:
        """Show a picture, unless it is shown already."""
        frame = picture.frame
        if frame.t_capture_ns == self._t_shown_ns:
            return
        self._t_shown_ns = frame.t_capture_ns
        height_px, width_px = frame.pixels.shape[:2]
        scale = min(self.width() / width_px, self.height() / height_px)
        raw = QImage(frame.pixels.data, width_px, height_px, 3 * width_px, QImage.Format.Format_BGR888)
        density = self.devicePixelRatioF()
        size = QSize(max(1, round(width_px * scale * density)), max(1, round(height_px * scale * density)))
        # The conversion copies, so the image owns its pixels.
        owned = raw.convertToFormat(QImage.Format.Format_RGB32)
        self._image = owned.scaled(size, mode=Qt.TransformationMode.SmoothTransformation)
        self._image.setDevicePixelRatio(density)
        points = (
            [QPointF(x, y) for x, y in (picture.points_px * scale).tolist()] if picture.points_px is not None else []
        )
        self._skin, self._irises = QPolygonF(points[:N_SKIN_POINTS]), QPolygonF(points[N_SKIN_POINTS:])
        self.update()

    def show_caption(self, text: str) -> None:
        """Discard the picture, and show a caption."""
        if self._image is None and text == self._caption:
            return
        self._caption, self._image, self._t_shown_ns = text, None, -1
        self._skin = self._irises = QPolygonF()
        self.setAccessibleDescription(text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a card with the picture or the caption."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = QPainterPath()
        card.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS_PX, RADIUS_PX)
        painter.fillPath(card, self._tokens.colour("control"))
        if self._image is not None:
            painter.save()
            painter.setClipPath(card)
            self._paint_picture(painter, self._image)
            painter.restore()
        else:
            painter.setPen(self._tokens.colour("muted"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._caption)
        painter.setPen(self._tokens.colour("border"))
        painter.drawPath(card)
        painter.end()

    def _paint_picture(self, painter: QPainter, image: QImage) -> None:
        if self._is_mirrored:
            painter.translate(self.width(), 0)
            painter.scale(-1, 1)
        size = image.deviceIndependentSize()
        painter.translate((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
        painter.drawImage(QPointF(0, 0), image)
        for points, colour, point_px in (
            (self._skin, SKIN_COLOUR, SKIN_POINT_PX),
            (self._irises, self._tokens.colour("accent"), IRIS_POINT_PX),
        ):
            painter.setPen(QPen(colour, point_px, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawPoints(points)
