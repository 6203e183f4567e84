"""The webcam: opens a camera by name, and makes records of the user's head."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.head_pose import HeadPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import ns_to_ms
from avatar_app.live.runtime.meters import Meter, RateMeter
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.webcam.capture import CaptureLoop, WebcamState
from avatar_app.live.webcam.neutral import Calibration, NeutralPose
from avatar_app.live.webcam.opening import open_source_of
from avatar_app.live.webcam.package import require_package
from avatar_app.live.webcam.picture_source import CameraFrame, FrameSource
from avatar_app.live.webcam.smooth import Smoother
from avatar_app.live.webcam.tracker_process import Tracker, TrackerProcess
from avatar_app.live.webcam.tracking import Tracked, TrackerState, TrackingLoop

OFF = "off"
STOP_TIMEOUT_S = 0.3


@dataclass(frozen=True, slots=True)
class WebcamStatus:
    """Status of the webcam.

    Attributes:
        camera, tracker: state of capture and of tracking.
        device: the camera's name, or the file's; "" before it was opened.
        size: width and height of the camera's pictures.
        fps: of the camera.
        fps_tracked: pictures a second that were tracked.
        has_face: whether the newest picture has a face.
        latency_p50_ms, latency_p95_ms: from the capture of a picture to its record; NaN before the first one.
        n_unread: pictures that were replaced by a newer one before they were tracked.
        n_restarts: how often the tracker was restarted.
        calibration_ratio: progress 0..1 of a calibration; None without one.
        problem: why the camera is lost; "" otherwise.
    """

    camera: WebcamState
    tracker: TrackerState
    device: str
    size: tuple[int, int]
    fps: float
    fps_tracked: float
    has_face: bool
    latency_p50_ms: float
    latency_p95_ms: float
    n_unread: int
    n_restarts: int
    calibration_ratio: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of the user with its landmarks, for the window only.

    Attributes:
        frame: the picture.
        points_px: (478, 2) float32 in its pixels; None without a face.
    """

    frame: CameraFrame
    points_px: Float32 | None


class Webcam:
    """Tracks the user's head. `start` and `stop` do not wait for the camera or the tracker.

    Thread: `start`, `stop` by the owner, the rest any.

    Args:
        name: "" for the first camera, a camera's name, `file:PATH`, or `off`.
        clock: the program's.
        notices: get a warning about a lost camera ("webcam") or tracker ("webcam-tracker").
        neutral: the user's neutral pose from an earlier calibration.
        open_source: opens the camera; tests pass their own.
        open_tracker: starts the tracker; tests pass their own.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        notices: NoticeBoard,
        neutral: NeutralPose | None = None,
        open_source: Callable[[], FrameSource] | None = None,
        open_tracker: Callable[[], Tracker] | None = None,
    ) -> None:
        self._is_off = name == OFF
        self._clock = clock
        self._notices = notices
        self._open_source = open_source or (lambda: open_source_of(name, clock))
        self._open_tracker: Callable[[], Tracker] = open_tracker or TrackerProcess
        self._is_ours = open_tracker is None
        self._lock = threading.Lock()
        self._smoother = Smoother(neutral)
        self._calibration: Calibration | None = None
        self._newest: HeadPose | None = None
        self._preview: Preview | None = None
        self._rate, self._latency = RateMeter(), Meter()
        self._workers: tuple[Worker, ...] = ()
        self._make_loops()

    def start(self) -> None:
        """Start; camera and tracker open in the background. A second call does nothing, and neither does `off`.

        Raises:
            MissingExtraError: mediapipe is not installed.
        """
        if self._workers or self._is_off:
            return
        if self._is_ours:
            require_package()
        # New loops and workers for each session: an old one may still be blocked in a driver.
        self._make_loops()
        self._workers = (
            Worker("webcam-tracker", self._tracking.step, self._clock, self._notices, self._tracking.recover),
            Worker("webcam", self._capture.step, self._clock, self._notices, self._capture.recover),
        )
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Close the camera, end the tracker, and forget the last picture; a second call does nothing.

        A camera whose driver blocks is closed when the driver returns, see `is_open`.
        """
        workers, self._workers = self._workers, ()
        for worker in workers:
            worker.request_stop()
        if workers:
            self._capture.end()
            for worker in reversed(workers):
                worker.join(STOP_TIMEOUT_S)
            self._capture.close()
            self._tracking.close()
        with self._lock:
            self._newest, self._preview, self._calibration = None, None, None

    @property
    def is_open(self) -> bool:
        """Whether the camera is open, or a driver is opening or closing it."""
        return self._capture.is_holding

    def newest(self) -> HeadPose | None:
        """The newest record, with confidence 0 without a face; None before the first one and after `stop`."""
        return self._newest

    def preview(self) -> Preview | None:
        """The newest picture that was tracked; None before the first one and after `stop`."""
        return self._preview

    @property
    def neutral(self) -> NeutralPose:
        """The neutral pose in use."""
        return self._smoother.neutral

    def calibrate(self) -> None:
        """Calibrate the neutral pose on the next three seconds with a face; a second call starts again."""
        with self._lock:
            self._calibration = Calibration()

    def status(self) -> WebcamStatus:
        """The current status; cheap."""
        is_stopped = not self._workers
        newest, calibration = self._newest, self._calibration
        p50_ms, p95_ms = self._latency.p50_p95()
        return WebcamStatus(
            camera=WebcamState.STOPPED if is_stopped else self._capture.state,
            tracker=TrackerState.STOPPED if is_stopped else self._tracking.state,
            device=self._capture.label,
            size=self._capture.size,
            fps=0.0 if is_stopped else self._capture.rate.per_s(self._clock.now_ns()),
            fps_tracked=0.0 if is_stopped else self._rate.per_s(self._clock.now_ns()),
            has_face=newest is not None and newest.confidence > 0,
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            n_unread=self._frames.n_replaced,
            n_restarts=self._tracking.n_restarts,
            calibration_ratio=calibration.ratio if calibration is not None else None,
            problem=self._capture.problem,
        )

    def _make_loops(self) -> None:
        self._frames: Latest[CameraFrame] = Latest()
        self._capture = CaptureLoop(self._frames, self._open_source, self._clock, self._notices)
        self._tracking = TrackingLoop(self._frames, self._update, self._clock, self._notices, self._open_tracker)

    def _update(self, tracked: Tracked) -> None:
        """Use the result of one picture; called on the tracking thread."""
        frame, detected, t_tracked_ns = tracked.frame, tracked.detected, tracked.t_tracked_ns
        face = detected.face if detected is not None else None
        with self._lock:
            if not self._workers:
                return
            if self._calibration is not None:
                neutral = self._calibration.feed(face, frame.t_capture_ns)
                if neutral is not None:
                    self._smoother.set_neutral(neutral)
                    self._calibration = None
            confidence = detected.confidence if detected is not None else 0.0
            self._newest = self._smoother.feed(face, confidence, frame.t_capture_ns, t_tracked_ns)
            self._preview = Preview(frame, detected.points_px[:, :2] if detected is not None else None)
        self._rate.note(t_tracked_ns)
        self._latency.note(ns_to_ms(t_tracked_ns - frame.t_capture_ns))
