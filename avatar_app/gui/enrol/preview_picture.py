"""A picture that fills its area, such as the preview of what has been learned."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from avatar_app.gui.widgets.theme import DARK, RADIUS_PX, Tokens


class PicturePanel(QWidget):
    """Shows an image in a rounded card, or a caption. Thread: main.

    Args:
        name: for screen readers.
        size_px: width and height.
    """

    def __init__(self, name: str, size_px: tuple[int, int]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._size_px = size_px
        self._tokens = DARK
        self._caption = ""
        self._image: QImage | None = None
        self._file: tuple[str, int] | None = None

    @property
    def image(self) -> QImage | None:
        """The picture; None without one."""
        return self._image

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The fixed size."""
        return QSize(*self._size_px)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.update()

    def show_image(self, image: QImage) -> None:
        """Show an image that owns its pixels."""
        self._image = image
        self.update()

    def show_file(self, path: str) -> None:
        """Show a picture file; one that is unchanged or cannot be read changes nothing."""
        try:
            stamp = (path, Path(path).stat().st_mtime_ns)
        except (OSError, ValueError):
            return
        if not path or stamp == self._file:
            return
        image = QImage(path)
        if not image.isNull():
            self._file = stamp
            self.show_image(image)

    def show_caption(self, text: str) -> None:
        """Discard the picture, and show a caption."""
        self._caption, self._image, self._file = text, None, None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the card."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        card = QPainterPath()
        card.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS_PX, RADIUS_PX)
        painter.fillPath(card, self._tokens.colour("control"))
        if self._image is not None:
            painter.save()
            painter.setClipPath(card)
            painter.drawImage(self._place(self._image), self._image)
            painter.restore()
        else:
            painter.setPen(self._tokens.colour("muted"))
            inside = self.rect().adjusted(16, 16, -16, -16)
            painter.drawText(inside, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._caption)
        painter.setPen(self._tokens.colour("border"))
        painter.drawPath(card)
        painter.end()

    def _place(self, image: QImage) -> QRectF:
        """The whole image, as large as it fits, in the middle."""
        scale = min(self.width() / image.width(), self.height() / image.height())
        width, height = image.width() * scale, image.height() * scale
        corner = QPointF((self.width() - width) / 2, (self.height() - height) / 2)
        return QRectF(corner.x(), corner.y(), width, height)
