"""A video file that plays the camera: at its own rate, in real time, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.packets import UInt8
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.webcam.source import as_bgr

CHOOSE_ANOTHER = "Choose another file; every video that ffmpeg reads will do."
# The longest wait inside `read`, so that whoever reads can be stopped.
WAIT_NS = ms_to_ns(100)
# After a longer sleep of the machine the film goes on from now instead of rushing through what was missed.
MAX_LATE_NS = ms_to_ns(500)
DEFAULT_FPS = 25.0


class FileSource:
    """An open file. Thread: the camera's.

    Args:
        path: any video, or a still picture.
        clock: what real time is.

    Raises:
        CameraInputError: the file is missing, unreadable, or holds no picture.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.label = path.name
        self._path = path
        self._clock = clock
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._waiting: Any = None
        stream = self._open()
        self.size = (int(stream.codec_context.width), int(stream.codec_context.height))
        self.fps = float(stream.average_rate or DEFAULT_FPS)
        self._t_start_ns = clock.now_ns()
        self._t_end_ns = 0
        self._first_s: float | None = None
        self._n_in_pass = 0
        self._next()

    def read(self) -> tuple[int, UInt8] | None:
        """The picture that is due, with the instant at which it was; None while the next one is far.

        Raises:
            CameraInputError: the file cannot be read any more.
        """
        t_due_ns = self._due_ns(self._waiting)
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
        container, self._container, self._frames = self._container, None, iter(())
        if container is not None:
            container.close()

    def _picture(self, frame: Any) -> UInt8:
        pixels = np.asarray(frame.to_ndarray(format="bgr24"))
        # Telephones film sideways and say so.
        n_quarters = round(getattr(frame, "rotation", 0) / 90) % 4
        return as_bgr(np.ascontiguousarray(np.rot90(pixels, n_quarters)), f"The file {self.label}")

    def _due_ns(self, frame: Any) -> int:
        return self._t_start_ns + self._offset_ns(frame)

    def _offset_ns(self, frame: Any) -> int:
        """Time of a frame since the beginning of the file; by its number where the file has no times."""
        if frame.time is None:
            return s_to_ns((self._n_in_pass - 1) / self.fps)
        return max(0, s_to_ns(float(frame.time) - (self._first_s or 0.0)))

    def _next(self) -> None:
        """Decode the next picture; at the end, the first one again."""
        frame = self._decoded()
        if frame is None:
            if not self._n_in_pass:
                raise self._broken("it holds no picture")
            self._t_start_ns += self._t_end_ns
            self._n_in_pass = 0
            self._open()
            frame = self._decoded()
        if frame is None:
            raise self._broken("it cannot be read again")
        if not self._n_in_pass:
            self._first_s = frame.time
        self._n_in_pass += 1
        self._waiting = frame
        self._t_end_ns = self._offset_ns(frame) + round(NS_PER_S / self.fps)

    def _decoded(self) -> Any:
        """The next frame; None at the end, which for a film that is cut off is where it breaks."""
        import av

        try:
            return next(self._frames, None)
        # FFmpeg's errors derive from OSError or ValueError, which one depends on the error.
        except (OSError, ValueError, av.FFmpegError) as error:
            if not self._n_in_pass:
                raise self._broken(str(error)) from error
            return None

    def _open(self) -> Any:
        """Open the file at its beginning; its stream of pictures."""
        import av

        self.close()
        if not self._path.is_file():
            raise CameraInputError(f"There is no file {self._path}.", "Check its name.")
        try:
            container = av.open(str(self._path))
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._broken(str(error)) from error
        if not container.streams.video:
            container.close()
            raise CameraInputError(f"The file {self._path} holds no video.", CHOOSE_ANOTHER)
        self._container = container
        stream = container.streams.video[0]
        self._frames = container.decode(stream)
        return stream

    def _broken(self, why: str) -> CameraInputError:
        return CameraInputError(f"The video {self._path} cannot be played: {why.rstrip('.')}.", CHOOSE_ANOTHER)
