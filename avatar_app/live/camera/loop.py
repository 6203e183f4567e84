"""The camera's thread: on every tick of an even grid one picture, the newest, the same again, or the card."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture, UInt8
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms, s_to_ns
from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.camera.card import draw_card
from avatar_app.live.camera.device import OpenCamera
from avatar_app.live.camera.finding import CameraFinding
from avatar_app.live.camera.layout import Layout
from avatar_app.live.runtime.device_loop import DriverLoop
from avatar_app.live.runtime.meters import Meter, RateMeter
from avatar_app.live.runtime.phase_lock import correction_ns, phase_error_ns

log = logging.getLogger(__name__)

RETRY_NS = s_to_ns(3)
LOOK_STEP_NS = ms_to_ns(50)
# A face that has not moved for so long looks frozen.
FROZEN_NS = s_to_ns(1)
NOTICE_KEY = "camera"
# The grid leans towards the avatar's rhythm, as that does towards the sound's: a picture waits about so long. Otherwise
# two even rates drift through each other, and pictures are doubled and lost while they meet.
AIM_NS = ms_to_ns(6)


class CameraState(enum.Enum):
    """Whether others can see the avatar."""

    STOPPED = "stopped"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One look at the camera.

    Attributes:
        backend, device: in use; "" while none is open.
        size: width and height in pixels.
        fps: that it should show.
        fps_achieved: that it showed over the last two seconds.
        n_sent: pictures shown since `start`, of which
        n_repeated: were the one before once more, because no new one had come;
        n_cards: were the card that stands in for a missing face.
        n_late: ticks left out, because the camera or the machine was busy.
        is_card: viewers see the card now.
        keeps_alpha: transparency reaches the viewers.
        latency_p50_ms, latency_p95_ms: from the capture of the sound to the camera; NaN before the first picture.
        blocked_ms: for how long the driver has been holding the picture it was given last.
        problem: why it is lost; "" otherwise.
    """

    state: CameraState
    backend: str
    device: str
    size: tuple[int, int]
    fps: int
    fps_achieved: float
    n_sent: int
    n_repeated: int
    n_cards: int
    n_late: int
    is_card: bool
    keeps_alpha: bool
    latency_p50_ms: float
    latency_p95_ms: float
    blocked_ms: float
    problem: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What the thread counted so far."""

    n_sent: int = 0
    n_repeated: int = 0
    n_cards: int = 0
    n_late: int = 0


class Grid:
    """Instants at exactly one period from each other; whole missed ones are left out. Thread: the camera's."""

    def __init__(self, clock: Clock, fps: int) -> None:
        self._clock = clock
        self._fps = fps
        self._t_origin_ns = clock.now_ns()
        self._index = 0

    def wait(self, stop: threading.Event) -> int | None:
        """Wait for the next instant.

        Returns:
            How many were missed before it; None when `stop` was set.
        """
        t_due_ns = self._t_origin_ns + self._index * NS_PER_S // self._fps
        if not self._clock.sleep_until(t_due_ns, stop):
            return None
        n_missed = max(0, self._clock.now_ns() - t_due_ns) * self._fps // NS_PER_S
        self._index += 1 + n_missed
        return n_missed

    def lean(self, waited_ns: int) -> None:
        """Move a little towards a rhythm in which pictures wait for `AIM_NS`.

        At other rates the phase error rotates, so that the corrections cancel and the rate stays.
        """
        period_ns = NS_PER_S // self._fps
        self._t_origin_ns += correction_ns(phase_error_ns(waited_ns, AIM_NS, period_ns), period_ns)


class CameraLoop(DriverLoop):
    """Shows one picture a step, and the card as the last one. Thread: see `DriverLoop`; the rest any.

    Args:
        pictures: mailbox of the avatar's pictures.
        layout: of the camera.
        open_device: opens the camera.
        trouble: why, and what the user can do; asked when the camera is lost. None for nothing special.
    """

    def __init__(
        self,
        pictures: Latest[Picture],
        layout: Layout,
        clock: Clock,
        notices: NoticeBoard,
        open_device: Callable[[], OpenCamera],
        trouble: Callable[[], CameraFinding | None],
    ) -> None:
        super().__init__()
        self._pictures = pictures
        self._layout = layout
        self._clock = clock
        self._notices = notices
        self._open_device = open_device
        self._trouble = trouble
        self._camera: OpenCamera | None = None
        self._canvas = Canvas(layout)
        self._grid = Grid(clock, layout.fps)
        self._frame: UInt8 = self._canvas.blank()
        self._card: UInt8 | None = None
        self._t_picture_ns = clock.now_ns() - FROZEN_NS
        self._t_retry_ns = 0
        self._t_sending_ns = 0
        self._has_told = False
        self._problem = ""
        self._counts = Counts()
        self._rate = RateMeter()
        self._latency = Meter()

    def _work(self, stop: threading.Event) -> None:
        if self._camera is None:
            self._look(stop)
        else:
            self._tick(stop)

    def _on_end(self) -> None:
        if self._has_told:
            self._notices.clear(NOTICE_KEY)

    def status(self, *, is_stopped: bool) -> CameraStatus:
        """How it goes."""
        camera, counts, t_sending_ns = self._camera, self._counts, self._t_sending_ns
        p50_ms, p95_ms = self._latency.p50_p95()
        is_running = camera is not None and not is_stopped
        state = CameraState.RUNNING if is_running else CameraState.LOST
        return CameraStatus(
            state=CameraState.STOPPED if is_stopped else state,
            backend=camera.backend if camera is not None else "",
            device=camera.device if camera is not None else "",
            size=self._layout.size,
            fps=self._layout.fps,
            fps_achieved=self._rate.per_s(self._clock.now_ns()) if is_running else 0.0,
            n_sent=counts.n_sent,
            n_repeated=counts.n_repeated,
            n_cards=counts.n_cards,
            n_late=counts.n_late,
            is_card=is_running and self._card is not None,
            keeps_alpha=is_running and camera is not None and camera.keeps_alpha,
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            blocked_ms=ns_to_ms(self._clock.now_ns() - t_sending_ns) if t_sending_ns else 0.0,
            problem=self._problem,
        )

    def _look(self, stop: threading.Event) -> None:
        """Open the camera when it is time to; a failure is told once."""
        now_ns = self._clock.now_ns()
        if now_ns < self._t_retry_ns:
            self._clock.sleep_until(min(self._t_retry_ns, now_ns + LOOK_STEP_NS), stop)
            return
        try:
            camera = self._open_device()
        except OutputError as error:
            self._lose(error)
            return
        self._canvas = Canvas(self._layout, keeps_alpha=camera.keeps_alpha)
        self._frame, self._card = self._canvas.blank(), None
        self._grid = Grid(self._clock, self._layout.fps)
        self._camera, self._problem = camera, ""
        log.info("camera %s on %s, %dx%d at %d", camera.device, camera.backend, *self._layout.size, self._layout.fps)
        if self._has_told:
            text = f"The virtual camera {camera.device} shows the avatar."
            self._notices.post(Notice(NOTICE_KEY, Level.INFO, text))
            self._has_told = False

    def _lose(self, error: OutputError) -> None:
        self._close_device()
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        self._problem = error.what
        log.info("no camera: %s", error.what)
        if not self._has_told:
            self._has_told = True
            self._notices.post(_notice(self._trouble(), error))

    def _tick(self, stop: threading.Event) -> None:
        n_missed = self._grid.wait(stop)
        if n_missed is None:
            return
        picture = self._pictures.take()
        if picture is not None and not n_missed:
            self._grid.lean(self._clock.now_ns() - picture.t_ready_ns)
        is_card = self._choose(picture)
        try:
            self._send(self._card if is_card and self._card is not None else self._frame)
        except OutputError as error:
            self._lose(error)
            return
        t_ns = self._clock.now_ns()
        self._rate.note(t_ns)
        if picture is not None:
            self._latency.note(ns_to_ms(t_ns - picture.t_capture_ns))
        old = self._counts
        self._counts = replace(
            old,
            n_sent=old.n_sent + 1,
            n_repeated=old.n_repeated + (picture is None and not is_card),
            n_cards=old.n_cards + is_card,
            n_late=old.n_late + n_missed,
        )

    def _choose(self, picture: Picture | None) -> bool:
        """Draw what is new; whether the card stands in for a face that has not moved for a second."""
        now_ns = self._clock.now_ns()
        if picture is not None:
            self._frame, self._card, self._t_picture_ns = self._canvas.draw(picture.pixels), None, now_ns
            return False
        if now_ns - self._t_picture_ns < FROZEN_NS:
            return False
        if self._card is None:
            self._card = draw_card(self._frame)
        return True

    def _send(self, frame: UInt8) -> None:
        if self._camera is None:
            return
        self._t_sending_ns = self._clock.now_ns()
        try:
            self._camera.send(frame)
        finally:
            self._t_sending_ns = 0

    def _use_last(self) -> None:
        """Some cameras keep their last picture: it is not to be a frozen face."""
        try:
            self._send(self._card if self._card is not None else draw_card(self._frame))
        except OutputError as error:
            log.info("no last picture: %s", error)

    def _close_device(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _notice(trouble: CameraFinding | None, error: OutputError) -> Notice:
    """The doctor's short sentence where it knows the cause; else the driver's words."""
    if trouble is None:
        text, what_to_do, command = error.what, error.what_to_do, ""
    else:
        text, what_to_do, command = trouble.text, trouble.what_to_do, trouble.command
    if command:
        what_to_do = "Copy the command and run it in a terminal."
    what_to_do = f"{what_to_do.rstrip('.')}. The app retries every 3 seconds."
    return Notice(NOTICE_KEY, Level.WARNING, text, what_to_do, command, is_lasting=True)
