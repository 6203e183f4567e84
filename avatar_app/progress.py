"""A progress bar on stderr with share, speed and time left; nothing if stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH_CHARS = 30
REDRAW_S = 0.1


class ProgressBar:
    """Counts pictures. Thread: one."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_shown = self._stream.isatty()
        self._n_all, self._n_done, self._fps = 1, 0, 25
        self._t_start_s = self._t_drawn_s = time.monotonic()

    def start(self, n_all: int, fps: int) -> None:
        """Begin a job of `n_all` pictures at `fps`."""
        self._n_all, self._n_done, self._fps = max(1, n_all), 0, fps
        self._t_start_s = self._t_drawn_s = time.monotonic()

    def advance(self) -> None:
        """Count one picture."""
        self._n_done += 1
        now_s = time.monotonic()
        if self._is_shown and now_s - self._t_drawn_s > REDRAW_S:
            self._t_drawn_s = now_s
            self._stream.write("\r\x1b[2K" + self.line(now_s - self._t_start_s))
            self._stream.flush()

    def line(self, took_s: float) -> str:
        """The text of the bar after `took_s` seconds."""
        # The total may be an estimate.
        ratio = min(1.0, self._n_done / self._n_all)
        left_s = took_s * (1 - ratio) / ratio if ratio > 0 else float("inf")
        filled = round(ratio * WIDTH_CHARS)
        speed = self._n_done / self._fps / max(took_s, 1e-3)
        left = f"{left_s:.0f} s left" if left_s < float("inf") else ""
        return f"{'█' * filled}{'░' * (WIDTH_CHARS - filled)} {100 * ratio:3.0f} %  {speed:.1f} x real time  {left}"

    def end(self) -> float:
        """Remove the bar; returns the seconds since the start."""
        if self._is_shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
        return time.monotonic() - self._t_start_s
