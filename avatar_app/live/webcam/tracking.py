"""The tracking thread: sends the newest picture to the tracker process, delivers its reply, restarts a lost process."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.runtime.device_loop import Hold
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.live.webcam.protocol import FAILED, READY, DetectedFace, Reply
from avatar_app.live.webcam.tracker_process import Tracker

log = logging.getLogger(__name__)

FRAME_WAIT_S = 0.1
# mediapipe loads in a second, or longer from a cold disk.
START_NS = s_to_ns(20)
REPLY_NS = s_to_ns(2)
# A tracker that keeps failing is restarted with increasing pauses.
FIRST_PAUSE_NS, MAX_PAUSE_NS = ms_to_ns(100), s_to_ns(30)
# A tracker that replied for this long counts as stable.
STABLE_NS = s_to_ns(5)
N_LOST_REPORT = 3
NOTICE_KEY = "webcam-tracker"


class TrackerState(enum.Enum):
    """State of the tracker."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Tracked:
    """One picture and its face.

    Attributes:
        frame: the picture.
        t_tracked_ns: when the reply arrived.
        detected: the face; None without one.
    """

    frame: CameraFrame
    t_tracked_ns: int
    detected: DetectedFace | None


class TrackingLoop:
    """Owns the tracker from `start` to `stop` of a session.

    Thread: `step` by its worker; `close` by the owner after it; the rest any.

    Args:
        frames: mailbox of the camera's pictures.
        deliver: called with each result, on the worker's thread.
        clock: the program's.
        notices: get a warning when the tracker keeps failing.
        open_tracker: starts a tracker.
    """

    def __init__(
        self,
        frames: Latest[CameraFrame],
        deliver: Callable[[Tracked], None],
        clock: Clock,
        notices: NoticeBoard,
        open_tracker: Callable[[], Tracker],
    ) -> None:
        self._frames = frames
        self._deliver = deliver
        self._clock = clock
        self._notices = notices
        self._open_tracker = open_tracker
        self._hold: Hold[Tracker] = Hold()
        self._sent: CameraFrame | None = None
        self._n_sent = 0
        self._t_open_ns = 0
        self._t_limit_ns = 0
        self._t_retry_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._n_lost_in_a_row = 0
        self.n_restarts = 0
        self.state = TrackerState.STARTING

    def step(self, stop: threading.Event) -> None:
        """Start the tracker, or track one picture; the worker's step."""
        tracker = self._hold.device
        if tracker is None:
            self._open(stop)
        elif self.state is TrackerState.STARTING or self._sent is not None:
            self._receive(tracker)
        else:
            self._send(tracker)

    def recover(self) -> None:
        """Restart the tracker; the worker calls it after a failed step."""
        self._lose("internal error")

    def close(self) -> None:
        """End the tracker; a second call does nothing. One that is starting ends after its start."""
        self._hold.end()
        self.state = TrackerState.STOPPED
        self._notices.clear(NOTICE_KEY)

    def _open(self, stop: threading.Event) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < self._t_retry_ns:
            stop.wait(FRAME_WAIT_S / 2)
            return
        try:
            tracker = self._open_tracker()
        except CameraInputError as error:
            self._lose(error.what)
            return
        if not self._hold.keep(tracker):
            return
        self.state = TrackerState.STARTING
        self._t_open_ns, self._t_limit_ns = now_ns, now_ns + START_NS

    def _send(self, tracker: Tracker) -> None:
        frame = self._frames.take(FRAME_WAIT_S)
        if not tracker.is_alive:
            self._lose("it ended")
        elif frame is not None:
            self._n_sent += 1
            self._sent, self._t_limit_ns = frame, self._clock.now_ns() + REPLY_NS
            tracker.send(self._n_sent & 0xFFFFFFFF, frame.pixels)

    def _receive(self, tracker: Tracker) -> None:
        reply = tracker.receive(FRAME_WAIT_S)
        if reply is not None:
            self._handle(reply)
        elif not tracker.is_alive:
            self._lose("it ended")
        elif self._clock.now_ns() > self._t_limit_ns:
            self._lose("it does not respond")

    def _handle(self, reply: Reply) -> None:
        if reply.kind == FAILED:
            self._lose(reply.problem)
            return
        if reply.kind == READY:
            self.state = TrackerState.RUNNING
            return
        now_ns = self._clock.now_ns()
        if now_ns - self._t_open_ns > STABLE_NS:
            self._note_stable()
        frame, self._sent = self._sent, None
        if frame is not None:
            self._deliver(Tracked(frame, now_ns, reply.detected))

    def _note_stable(self) -> None:
        if self._n_lost_in_a_row >= N_LOST_REPORT:
            self._notices.info(NOTICE_KEY, "The face tracker works again.")
        self._pause_ns, self._n_lost_in_a_row = FIRST_PAUSE_NS, 0

    def _lose(self, why: str) -> None:
        log.warning("the face tracker is restarted: %s", why)
        self._close_tracker()
        self.state = TrackerState.LOST
        self.n_restarts += 1
        self._n_lost_in_a_row += 1
        self._t_retry_ns = self._clock.now_ns() + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, MAX_PAUSE_NS)
        if self._n_lost_in_a_row == N_LOST_REPORT:
            text = f"The face tracker does not run ({why.rstrip('.')}), so the avatar does not follow your head."
            what_to_do = "The app retries. If it fails again, run `avatar-app webcam setup`."
            self._notices.warning(NOTICE_KEY, text, what_to_do, is_lasting=True)

    def _close_tracker(self) -> None:
        self._sent = None
        self._hold.release()
