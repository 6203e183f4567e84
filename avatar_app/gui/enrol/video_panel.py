"""Plays a short video without sound, in a loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QImage, QShowEvent

from avatar_app.contracts.errors import InputFileError
from avatar_app.gui.enrol.preview_picture import PicturePanel
from avatar_app.live.media_file import MEDIA_ERRORS, open_media

log = logging.getLogger(__name__)

DEFAULT_FPS = 25.0
NO_VIDEO = "There is no video."


class VideoPanel(PicturePanel):
    """Decodes one picture per tick, while it is visible. Thread: main.

    Args:
        name: for screen readers.
        size_px: width and height.
    """

    def __init__(self, name: str, size_px: tuple[int, int]) -> None:
        super().__init__(name, size_px)
        self._path: Path | None = None
        self._opened: list[Any] = []
        self._frames: Iterator[Any] = iter(())
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.advance)
        self.n_shown = 0

    def play(self, path: str) -> None:
        """Play a file from its beginning; an empty or unreadable one shows a caption."""
        self.stop()
        self._path = Path(path) if path else None
        self.show_caption(NO_VIDEO)
        if self._path is not None and self._open(self._path) and self.isVisible():
            self._timer.start()
            self.advance()

    def stop(self) -> None:
        """Stop and close the file; a second call does nothing."""
        self._timer.stop()
        opened, self._opened, self._frames = self._opened, [], iter(())
        for one in reversed(opened):
            one.close()

    def advance(self) -> None:
        """Show the next picture; after the last one, the first."""
        frame = self._next()
        if frame is None and self.n_shown and self._path is not None:
            self.stop()
            self.n_shown = 0
            if self._open(self._path):
                self._timer.start()
                frame = self._next()
        if frame is None:
            self.stop()
            return
        self.n_shown += 1
        # The rows of some widths have a gap after them.
        rgb = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
        height, width = rgb.shape[:2]
        raw = QImage(rgb.data, width, height, rgb.strides[0], QImage.Format.Format_RGB888)
        # The conversion copies, so the image owns its pixels.
        self.show_image(raw.convertToFormat(QImage.Format.Format_RGB32))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Begin to play."""
        super().showEvent(event)
        if self._opened:
            self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Pause."""
        super().hideEvent(event)
        self._timer.stop()

    def _next(self) -> Any:
        try:
            return next(self._frames, None)
        except MEDIA_ERRORS as error:
            log.warning("the video ends early: %s", error)
            return None

    def _open(self, path: Path) -> bool:
        """Open the file; returns whether it can be played."""
        try:
            self._opened = [path.open("rb")]
            container = open_media(self._opened[0])
            self._opened.append(container)
            stream = container.streams.best("video")
            if stream is None:
                raise InputFileError("it has no pictures")
            fps = float(getattr(stream, "average_rate", None) or DEFAULT_FPS)
            self._frames = container.decode(stream)
        except (*MEDIA_ERRORS, InputFileError) as error:
            log.warning("the video %s cannot be played: %s", path, error)
            self.stop()
            return False
        self._timer.setInterval(round(1000 / fps))
        return True
