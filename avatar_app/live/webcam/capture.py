"""The capture thread: delivers the newest picture, and opens a lost camera again."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.runtime.device_loop import DriverLoop
from avatar_app.live.runtime.meters import RateMeter
from avatar_app.live.webcam.picture_source import CameraFrame, FrameSource

log = logging.getLogger(__name__)

RETRY_NS = s_to_ns(3)
RETRY_STEP_NS = ms_to_ns(50)
STALL_NS = ms_to_ns(2500)
NOTICE_KEY = "webcam"


class WebcamState(enum.Enum):
    """Whether the camera delivers pictures."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    LOST = "lost"


class FrameTarget(Protocol):
    """Gets the pictures of a camera, such as a `Latest`."""

    def put(self, item: CameraFrame) -> None:
        """Take a picture; never blocks."""
        ...


class CaptureLoop(DriverLoop):
    """Captures one picture a step. Thread: see `DriverLoop`; the rest any.

    Args:
        frames: gets each picture.
        open_source: opens the camera; may block.
        clock: the program's.
        notices: get a warning when the camera is lost.
    """

    def __init__(
        self,
        frames: FrameTarget,
        open_source: Callable[[], FrameSource],
        clock: Clock,
        notices: NoticeBoard,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._open_source = open_source
        self._clock = clock
        self._notices = notices
        self._source: FrameSource | None = None
        self._n_frames = 0
        self._t_frame_ns = 0
        self._t_retry_ns = 0
        self._is_reported = False
        self._is_opening = False
        self.rate = RateMeter()
        self.state = WebcamState.STARTING
        self.problem = ""
        self.label = ""
        self.size = (0, 0)

    @property
    def is_holding(self) -> bool:
        """Whether the camera is open, or its driver is opening or closing it."""
        return self._source is not None or self._is_opening

    def _work(self, stop: threading.Event) -> None:
        if self._source is None:
            self._try_open(stop)
        else:
            self._capture(self._source)

    def _on_end(self) -> None:
        self.state = WebcamState.STOPPED
        self._notices.clear(NOTICE_KEY)

    def _try_open(self, stop: threading.Event) -> None:
        """Open the camera when a retry is due; report a failure once."""
        now_ns = self._clock.now_ns()
        if now_ns < self._t_retry_ns:
            self._clock.sleep_until(min(self._t_retry_ns, now_ns + RETRY_STEP_NS), stop)
            return
        self._is_opening = True
        try:
            source = self._open_source()
            self._source, self.label, self.size = source, source.label, source.size
        except CameraInputError as error:
            self._lose(error)
            return
        finally:
            self._is_opening = False
        self._t_frame_ns, self.problem = self._clock.now_ns(), ""
        if not self._is_over:
            self.state = WebcamState.RUNNING
        log.info("webcam %s, %dx%d at %.3g", source.label, *source.size, source.fps)
        if self._is_reported:
            self._is_reported = False
            self._notices.info(NOTICE_KEY, f"The camera {source.label} works again.")

    def _capture(self, source: FrameSource) -> None:
        try:
            captured = source.read()
        except CameraInputError as error:
            self._lose(error)
            return
        now_ns = self._clock.now_ns()
        if captured is None:
            if now_ns - self._t_frame_ns > STALL_NS:
                self._lose(
                    CameraInputError(f"The camera {source.label} delivers no more pictures.", "Plug it in again.")
                )
            return
        self._t_frame_ns = now_ns
        t_capture_ns, pixels = captured
        pixels.flags.writeable = False
        self.rate.note(t_capture_ns)
        self._frames.put(CameraFrame(t_capture_ns, self._n_frames, pixels))
        self._n_frames += 1

    def _lose(self, error: CameraInputError) -> None:
        self._close_device()
        if not self._is_over:
            self.state = WebcamState.LOST
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        self.problem = error.what
        log.info("no webcam: %s", error.what)
        if not self._is_reported and not self._is_over:
            self._is_reported = True
            what_to_do = f"{error.what_to_do.rstrip('.')}. The app retries every 3 seconds."
            self._notices.warning(NOTICE_KEY, error.what, what_to_do, is_lasting=True)

    def _close_device(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
