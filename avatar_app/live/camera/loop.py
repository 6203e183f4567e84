"""The camera's thread: sends a picture on every tick: the newest one, the last one again, or the placeholder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture, UInt8
from avatar_app.contracts.units import ms_to_ns, ns_to_ms, s_to_ns
from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.camera.device import OpenCamera
from avatar_app.live.camera.finding import CameraFinding
from avatar_app.live.camera.frame_clock import FrameClock
from avatar_app.live.camera.layout import Layout
from avatar_app.live.camera.placeholder import draw_placeholder
from avatar_app.live.camera.status import CameraState, CameraStatus, Counts
from avatar_app.live.runtime.device_loop import DriverLoop
from avatar_app.live.runtime.meters import Meter, RateMeter

log = logging.getLogger(__name__)

RETRY_NS = s_to_ns(3)
RETRY_STEP_NS = ms_to_ns(50)
# After this long without a new picture the camera shows the placeholder, because the avatar would look frozen.
STALE_NS = s_to_ns(1)
NOTICE_KEY = "camera"


class CameraLoop(DriverLoop):
    """Sends one picture a step, and the placeholder as the last one. Thread: see `DriverLoop`; the rest any.

    Args:
        pictures: mailbox of the avatar's pictures.
        layout: of the camera.
        open_device: opens the camera.
        find_problem: finds the cause when the camera is lost; returns None when it is unknown.
    """

    def __init__(
        self,
        pictures: Latest[Picture],
        layout: Layout,
        clock: Clock,
        notices: NoticeBoard,
        open_device: Callable[[], OpenCamera],
        find_problem: Callable[[], CameraFinding | None],
    ) -> None:
        super().__init__()
        self._pictures = pictures
        self._layout = layout
        self._clock = clock
        self._notices = notices
        self._open_device = open_device
        self._find_problem = find_problem
        self._camera: OpenCamera | None = None
        self._canvas = Canvas(layout)
        self._ticks = FrameClock(clock, layout.fps)
        self._frame: UInt8 = self._canvas.blank()
        self._placeholder: UInt8 | None = None
        self._t_picture_ns = clock.now_ns() - STALE_NS
        self._t_retry_ns = 0
        self._t_sending_ns = 0
        self._is_reported = False
        self._problem = ""
        self._counts = Counts()
        self._rate = RateMeter()
        self._latency = Meter()

    def _work(self, stop: threading.Event) -> None:
        if self._camera is None:
            self._try_open(stop)
        else:
            self._tick(stop)

    def _on_end(self) -> None:
        if self._is_reported:
            self._notices.clear(NOTICE_KEY)

    def status(self, *, is_stopped: bool) -> CameraStatus:
        """The current status."""
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
            n_placeholders=counts.n_placeholders,
            n_late=counts.n_late,
            is_placeholder=is_running and self._placeholder is not None,
            keeps_alpha=is_running and camera is not None and camera.keeps_alpha,
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            blocked_ms=ns_to_ms(self._clock.now_ns() - t_sending_ns) if t_sending_ns else 0.0,
            problem=self._problem,
        )

    def _try_open(self, stop: threading.Event) -> None:
        """Open the camera when a retry is due; report a failure once."""
        now_ns = self._clock.now_ns()
        if now_ns < self._t_retry_ns:
            self._clock.sleep_until(min(self._t_retry_ns, now_ns + RETRY_STEP_NS), stop)
            return
        try:
            camera = self._open_device()
        except OutputError as error:
            self._lose(error)
            return
        self._canvas = Canvas(self._layout, keeps_alpha=camera.keeps_alpha)
        self._frame, self._placeholder = self._canvas.blank(), None
        self._ticks = FrameClock(self._clock, self._layout.fps)
        self._camera, self._problem = camera, ""
        log.info("camera %s on %s, %dx%d at %d", camera.device, camera.backend, *self._layout.size, self._layout.fps)
        if self._is_reported:
            text = f"The virtual camera {camera.device} shows the avatar."
            self._notices.info(NOTICE_KEY, text)
            self._is_reported = False

    def _lose(self, error: OutputError) -> None:
        self._close_device()
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        self._problem = error.what
        log.info("no camera: %s", error.what)
        if not self._is_reported:
            self._is_reported = True
            self._notices.post(_notice(self._find_problem(), error))

    def _tick(self, stop: threading.Event) -> None:
        n_missed = self._ticks.wait(stop)
        if n_missed is None:
            return
        picture = self._pictures.take()
        if picture is not None and not n_missed:
            self._ticks.adjust_phase(self._clock.now_ns() - picture.t_ready_ns)
        is_placeholder = self._choose(picture)
        try:
            self._send(self._placeholder if is_placeholder and self._placeholder is not None else self._frame)
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
            n_repeated=old.n_repeated + (picture is None and not is_placeholder),
            n_placeholders=old.n_placeholders + is_placeholder,
            n_late=old.n_late + n_missed,
        )

    def _choose(self, picture: Picture | None) -> bool:
        """Draw the new picture, or the placeholder after a second without one; returns whether to send it."""
        now_ns = self._clock.now_ns()
        if picture is not None:
            self._frame, self._placeholder, self._t_picture_ns = self._canvas.draw(picture.pixels), None, now_ns
            return False
        if now_ns - self._t_picture_ns < STALE_NS:
            return False
        if self._placeholder is None:
            self._placeholder = draw_placeholder(self._frame)
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
        """Send the placeholder: some cameras keep showing their last picture."""
        try:
            self._send(self._placeholder if self._placeholder is not None else draw_placeholder(self._frame))
        except OutputError as error:
            log.info("the placeholder was not sent: %s", error)

    def _close_device(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _notice(problem: CameraFinding | None, error: OutputError) -> Notice:
    """The doctor's finding if it knows the cause; else the driver's message."""
    if problem is None:
        text, what_to_do, command = error.what, error.what_to_do, ""
    else:
        text, what_to_do, command = problem.text, problem.what_to_do, problem.command
    if command:
        what_to_do = "Copy the command and run it in a terminal."
    what_to_do = f"{what_to_do.rstrip('.')}. The app retries every 3 seconds."
    return Notice(NOTICE_KEY, Level.WARNING, text, what_to_do, command, is_lasting=True)
