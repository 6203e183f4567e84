"""The camera's picture while the user records: mirrored, with an outline for the face."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.contracts.packets import UInt8
from avatar_app.gui.widgets.theme import DARK, RADIUS_PX, Tokens

SIZE_PX = (384, 216)
# The outline, as shares of the height: its centre below the middle, width and height of a face that is large enough.
OVAL_Y, OVAL_WIDTH, OVAL_HEIGHT = 0.5, 0.50, 0.70
OUTLINE = QColor(255, 255, 255, 170)
LAMP_PX = 12


class CameraView(QWidget):
    """Shows the newest picture, or a caption without one. Thread: main.

    It holds one picture, in the size in which it is painted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Camera preview")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._tokens = DARK
        self._caption = ""
        self._image: QImage | None = None
        self._is_recording = False
        self._t_shown_ns = -1

    @property
    def image(self) -> QImage | None:
        """The painted picture; None without one."""
        return self._image

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """16:9."""
        return QSize(*SIZE_PX)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def set_recording(self, *, is_recording: bool) -> None:
        """Show a red frame and lamp, or the outline for the face."""
        if is_recording != self._is_recording:
            self._is_recording = is_recording
            self.update()

    def show_picture(self, bgr: UInt8, t_capture_ns: int) -> None:
        """Show a picture (H, W, 3) uint8 BGR, unless it is shown already."""
        if t_capture_ns == self._t_shown_ns:
            return
        self._t_shown_ns = t_capture_ns
        height_px, width_px = bgr.shape[:2]
        raw = QImage(bgr.data, width_px, height_px, bgr.strides[0], QImage.Format.Format_BGR888)
        density = self.devicePixelRatioF()
        size = QSize(round(self.width() * density), round(self.height() * density))
        expand = Qt.AspectRatioMode.KeepAspectRatioByExpanding
        small = raw.scaled(size, expand, Qt.TransformationMode.SmoothTransformation)
        # The conversion copies, so the image owns its pixels.
        self._image = small.convertToFormat(QImage.Format.Format_RGB32)
        self._image.setDevicePixelRatio(density)
        self.update()

    def show_caption(self, text: str) -> None:
        """Discard the picture, and show a caption."""
        if self._image is None and text == self._caption:
            return
        self._caption, self._image, self._t_shown_ns = text, None, -1
        self.setAccessibleDescription(text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a card with the picture, its outline and lamp, or the caption."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = QPainterPath()
        card.addRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), RADIUS_PX, RADIUS_PX)
        painter.fillPath(card, self._tokens.colour("control"))
        if self._image is not None:
            painter.save()
            painter.setClipPath(card)
            self._paint_mirrored(painter, self._image)
            painter.restore()
            self._paint_outline(painter)
        else:
            painter.setPen(self._tokens.colour("muted"))
            inside = self.rect().adjusted(24, 16, -24, -16)
            painter.drawText(inside, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._caption)
        is_lit = self._is_recording and self._image is not None
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._tokens.colour("danger" if is_lit else "border"), 2 if is_lit else 1))
        painter.drawPath(card)
        if is_lit:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._tokens.colour("danger"))
            painter.drawEllipse(QRectF(self.width() - LAMP_PX - 14, 14, LAMP_PX, LAMP_PX))
        painter.end()

    def _paint_mirrored(self, painter: QPainter, image: QImage) -> None:
        """A user knows their mirror image, and moves the right way in it."""
        size = image.deviceIndependentSize()
        painter.translate(self.width(), 0)
        painter.scale(-1, 1)
        painter.drawImage(QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2), image)

    def _paint_outline(self, painter: QPainter) -> None:
        if self._is_recording:
            return
        height = self.height()
        oval = QRectF(0, 0, OVAL_WIDTH * height, OVAL_HEIGHT * height)
        oval.moveCenter(QPointF(self.width() / 2, OVAL_Y * height))
        pen = QPen(OUTLINE, 2, Qt.PenStyle.CustomDashLine)
        pen.setDashPattern([4, 4])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen)
        painter.drawEllipse(oval)
