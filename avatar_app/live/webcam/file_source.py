"""A video file that plays the camera: at its own rate, in real time, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.packets import UInt8
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.media_file import MEDIA_ERRORS, open_file, open_media, packets, shown
from avatar_app.live.webcam.picture_source import as_bgr
from avatar_app.live.webcam.upright import upright
from avatar_app.settings.paths import user_path

CHOOSE_ANOTHER = "Choose another file; every video that ffmpeg reads will do."
# The longest wait inside `read`, so that whoever reads can be stopped.
WAIT_NS = ms_to_ns(100)
# After a longer sleep of the machine the film goes on from now instead of rushing through what was missed.
MAX_LATE_NS = ms_to_ns(500)
DEFAULT_FPS = 25.0
# A longer pause is none where the film would have ended before: joined films begin anew.
MAX_PAUSE_NS = s_to_ns(10)
US_PER_S = 1_000_000


class FileSource:
    """An open file. Thread: the camera's.

    Args:
        path: any video, or a still picture; `~` is the user's folder.
        clock: what real time is.

    Raises:
        CameraInputError: the file is missing, unreadable, or holds no picture.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = user_path(path)
        self._shown_path, self.label = shown(self._path), shown(self._path.name)
        self._clock = clock
        self._file: Any = None
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._waiting: Any = None
        stream = self._open()
        self.fps = float(stream.average_rate or DEFAULT_FPS)
        self._t_start_ns = clock.now_ns()
        # Of the picture that waits: its time in the film, and what the film's own times are ahead of that.
        self._offset_ns = 0
        self._ahead_ns = 0
        self._n_in_pass = 0
        self._next()
        height, width = self._upright(self._waiting).shape[:2]
        self.size = (width, height)

    def read(self) -> tuple[int, UInt8] | None:
        """The picture that is due, with the instant at which it was; None while the next one is far.

        Raises:
            CameraInputError: the file cannot be read any more.
        """
        t_due_ns = self._t_start_ns + self._offset_ns
        now_ns = self._clock.now_ns()
        if now_ns - t_due_ns > MAX_LATE_NS:
            self._t_start_ns += now_ns - t_due_ns
            t_due_ns = now_ns
        self._clock.sleep_until(min(t_due_ns, now_ns + WAIT_NS))
        if self._clock.now_ns() < t_due_ns:
            return None
        frame = self._waiting
        self._next()
        return t_due_ns, self._picture(frame)

    def close(self) -> None:
        """Close the file; twice is fine."""
        self._frames = iter(())
        opened, self._container, self._file = (self._container, self._file), None, None
        for one in opened:
            if one is not None:
                one.close()

    def _picture(self, frame: Any) -> UInt8:
        return as_bgr(self._upright(frame), f"The file {self.label}")

    @staticmethod
    def _upright(frame: Any) -> UInt8:
        return upright(np.asarray(frame.to_ndarray(format="bgr24")), frame)

    def _next(self) -> None:
        """Decode the next picture; at the end, the first one again."""
        frame = next(self._frames, None)
        if frame is None and self._n_in_pass:
            self._t_start_ns += self._offset_ns + self._period_ns
            self._n_in_pass = 0
            self._open()
            frame = next(self._frames, None)
        if frame is None:
            self.close()
            raise self._broken("it holds no picture that can be read")
        self._offset_ns = self._place(frame)
        self._n_in_pass += 1
        self._waiting = frame

    @property
    def _period_ns(self) -> int:
        return round(NS_PER_S / self.fps)

    def _place(self, frame: Any) -> int:
        """Time of the next frame since the beginning of the film; by the rate where the film's own times jump."""
        follows_ns = self._offset_ns + self._period_ns if self._n_in_pass else 0
        if frame.time is None:
            return follows_ns
        t_ns = s_to_ns(float(frame.time))
        pause_ns = t_ns - self._ahead_ns - self._offset_ns
        is_joined = pause_ns < 0 or (pause_ns > MAX_PAUSE_NS and t_ns > self._t_last_ns)
        if not self._n_in_pass or is_joined:
            self._ahead_ns = t_ns - follows_ns
        return t_ns - self._ahead_ns

    def _decoded(self, stream: Any) -> Iterator[Any]:
        """The frames of a stream, without those that are damaged, up to where the film breaks off."""
        with suppress(*MEDIA_ERRORS):
            for packet in packets(self._container, stream):
                with suppress(*MEDIA_ERRORS):
                    yield from packet.decode()

    def _open(self) -> Any:
        """Open the file at its beginning; its stream of pictures."""
        self.close()
        self._file = open_file(self._path, CameraInputError)
        try:
            self._container = open_media(self._file)
        except MEDIA_ERRORS as error:
            self.close()
            raise self._broken(getattr(error, "strerror", None) or str(error)) from error
        stream = self._container.streams.best("video")
        if stream is None:
            self.close()
            raise CameraInputError(f"The file {self._shown_path} holds no video.", CHOOSE_ANOTHER)
        self._t_last_ns = s_to_ns((self._container.duration or 0) / US_PER_S)
        self._frames = self._decoded(stream)
        return stream

    def _broken(self, why: str) -> CameraInputError:
        return CameraInputError(f"The video {self._shown_path} cannot be played: {why.rstrip('.')}.", CHOOSE_ANOTHER)
