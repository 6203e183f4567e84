"""A video file in place of a camera: plays at its own rate, in real time, in a loop."""

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
from avatar_app.live.webcam.picture_source import MAX_SIDE_PX, as_bgr
from avatar_app.live.webcam.rotation import apply_rotation
from avatar_app.settings.paths import user_path

CHOOSE_ANOTHER = "Choose another file, in any video format that FFmpeg reads."
# Maximum wait in `read`, so that the reading thread can stop.
WAIT_NS = ms_to_ns(100)
# After a longer suspension of the machine, playback continues from now instead of catching up.
MAX_LATE_NS = ms_to_ns(500)
DEFAULT_FPS = 25.0
# A longer gap before the end of the file is a jump of timestamps, as in concatenated videos, and not a pause.
MAX_GAP_NS = s_to_ns(10)
US_PER_S = 1_000_000


class FileSource:
    """An open file. Thread: the camera's.

    Args:
        path: any video or a still picture; `~` is the home folder.
        clock: the program's.
        max_side_px: of the delivered pictures.

    Raises:
        CameraInputError: the file is missing, unreadable, or holds no picture.
    """

    def __init__(self, path: Path, clock: Clock, max_side_px: int = MAX_SIDE_PX) -> None:
        self._path = user_path(path)
        self._shown_path, self.label = shown(self._path), shown(self._path.name)
        self._clock, self._max_side_px = clock, max_side_px
        self._file: Any = None
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._waiting: Any = None
        stream = self._open()
        self.fps = float(stream.average_rate or DEFAULT_FPS)
        self._t_start_ns = clock.now_ns()
        # Of the picture that waits: its playback time, and how far the timestamps of the file are ahead of it.
        self._offset_ns = 0
        self._ahead_ns = 0
        self._n_in_pass = 0
        self._next()
        height, width = self._rotated(self._waiting).shape[:2]
        self.size = (width, height)

    def read(self) -> tuple[int, UInt8] | None:
        """The picture that is due.

        Returns:
            Its due time and (H, W, 3) uint8 BGR; None while the next one is not due.

        Raises:
            CameraInputError: the file can no longer be read.
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
        """Close the file; a second call does nothing."""
        self._frames = iter(())
        opened, self._container, self._file = (self._container, self._file), None, None
        for one in opened:
            if one is not None:
                one.close()

    def _picture(self, frame: Any) -> UInt8:
        return as_bgr(self._rotated(frame), f"The file {self.label}", self._max_side_px)

    @staticmethod
    def _rotated(frame: Any) -> UInt8:
        return apply_rotation(np.asarray(frame.to_ndarray(format="bgr24")), frame)

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
            raise self._play_error("it has no readable picture")
        self._offset_ns = self._playback_ns(frame)
        self._n_in_pass += 1
        self._waiting = frame

    @property
    def _period_ns(self) -> int:
        return round(NS_PER_S / self.fps)

    def _playback_ns(self, frame: Any) -> int:
        """Time of the next frame since the beginning of the video; from the frame rate where timestamps jump."""
        follows_ns = self._offset_ns + self._period_ns if self._n_in_pass else 0
        if frame.time is None:
            return follows_ns
        t_ns = s_to_ns(float(frame.time))
        gap_ns = t_ns - self._ahead_ns - self._offset_ns
        is_jump = gap_ns < 0 or (gap_ns > MAX_GAP_NS and t_ns > self._t_last_ns)
        if not self._n_in_pass or is_jump:
            self._ahead_ns = t_ns - follows_ns
        return t_ns - self._ahead_ns

    def _decoded(self, stream: Any) -> Iterator[Any]:
        """Yield the frames of a stream up to its end or where it is cut off; damaged ones are skipped."""
        with suppress(*MEDIA_ERRORS):
            for packet in packets(self._container, stream):
                with suppress(*MEDIA_ERRORS):
                    yield from packet.decode()

    def _open(self) -> Any:
        """Open the file at its beginning; returns the video stream."""
        self.close()
        self._file = open_file(self._path, CameraInputError)
        try:
            self._container = open_media(self._file)
        except MEDIA_ERRORS as error:
            self.close()
            raise self._play_error(getattr(error, "strerror", None) or str(error)) from error
        stream = self._container.streams.best("video")
        if stream is None:
            self.close()
            raise CameraInputError(f"The file {self._shown_path} has no video.", CHOOSE_ANOTHER)
        self._t_last_ns = s_to_ns((self._container.duration or 0) / US_PER_S)
        self._frames = self._decoded(stream)
        return stream

    def _play_error(self, why: str) -> CameraInputError:
        return CameraInputError(f"The video {self._shown_path} cannot be played: {why.rstrip('.')}.", CHOOSE_ANOTHER)
