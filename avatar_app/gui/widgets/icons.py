"""The icons of `assets/icons`, in any colour and resolution."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

log = logging.getLogger(__name__)

# The grey of the files; readable on both themes, and replaced by the requested colour.
DRAWN_COLOUR = "#8a93a3"
SCALES = (1, 2, 3)


class Icons:
    """Reads each file once. Thread: main."""

    def __init__(self, assets: Path) -> None:
        self._folder = assets / "icons"
        self._texts: dict[str, str] = {}

    def icon(self, name: str, colour: str, size_px: int = 20) -> QIcon:
        """An icon in one colour; empty when the file is missing."""
        result = QIcon()
        for scale in SCALES:
            pixmap = self.pixmap(name, colour, size_px, scale)
            if not pixmap.isNull():
                result.addPixmap(pixmap)
        return result

    def pixmap(self, name: str, colour: str, size_px: int, scale: float) -> QPixmap:
        """The icon as one pixmap of `size_px` logical pixels."""
        text = self._text(name)
        if not text:
            return QPixmap()
        renderer = QSvgRenderer(QByteArray(text.replace(DRAWN_COLOUR, colour).encode()))
        pixmap = QPixmap(round(size_px * scale), round(size_px * scale))
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, pixmap.width(), pixmap.height()))
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        return pixmap

    def app_icon(self) -> QIcon:
        """The icon of the program in the sizes that desktops use."""
        result = QIcon()
        for size_px in (16, 24, 32, 48, 64, 128, 256):
            pixmap = self.pixmap("app", DRAWN_COLOUR, size_px, 1)
            if not pixmap.isNull():
                result.addPixmap(pixmap)
        return result

    def _text(self, name: str) -> str:
        if name not in self._texts:
            try:
                self._texts[name] = (self._folder / f"{name}.svg").read_text(encoding="utf-8")
            except OSError as error:
                log.warning("icon %s is missing: %s", name, error)
                self._texts[name] = ""
        return self._texts[name]
