"""A recording session: an open camera and microphone, their checks, and sentences that are written one by one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.live.audio.retry import RetryTimer
from avatar_app.live.enrol.picture_checks import CameraTap, PictureChecker
from avatar_app.live.enrol.recorder import N_BLOCKS, N_FRAMES, Recorder, SentenceResult
from avatar_app.live.mic.level import MicControls
from avatar_app.live.mic.mic import SILENT_DB, Mic, MicState
from avatar_app.live.mic.opening import open_mic
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.webcam.capture import CaptureLoop, WebcamState
from avatar_app.live.webcam.opening import open_source_of
from avatar_app.live.webcam.package import is_installed
from avatar_app.live.webcam.picture_source import CameraFrame, FrameSource
from avatar_app.live.webcam.tracker_process import Tracker, TrackerProcess
from avatar_app.live.webcam.tracking import TrackingLoop

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 1.0
WAIT_S = 0.1
MIC_KEY = "enrol-mic"


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """What a recording session has, at one instant.

    Attributes:
        has_camera: whether the camera delivers pictures.
        has_mic: whether the microphone delivers sound.
        camera: the camera's name.
        level_db, peak_db: of the microphone in dBFS.
        problem: why camera or microphone cannot be used, with what to do; empty when both work.
        advice: what is wrong with the newest pictures; empty if nothing is, or nothing is checked.
        is_checked: whether pictures are checked.
    """

    has_camera: bool
    has_mic: bool
    camera: str
    level_db: float
    peak_db: float
    problem: str
    advice: str
    is_checked: bool


class RecordingSession:
    """Camera and microphone of the wizard. `start` and `stop` do not wait for the devices.

    Thread: `start`, `stop` by the owner, the rest any.

    Args:
        webcam: "" for the first camera, a camera's name, or `file:PATH`.
        mic: "" for the system's default, a microphone's label, or `file:PATH`.
        gain_db: of the microphone.
        clock: the program's.
        open_source, open_tracker, make_mic: open the devices; tests pass their own. Without `open_tracker`, pictures
            are checked if the face tracker is installed.
    """

    def __init__(
        self,
        webcam: str,
        mic: str,
        gain_db: float,
        clock: Clock,
        open_source: Callable[[], FrameSource] | None = None,
        open_tracker: Callable[[], Tracker] | None = None,
        make_mic: Callable[[NoticeBoard, MicControls], Mic] | None = None,
    ) -> None:
        # Its own: the wizard shows these sentences, not the main window.
        self._board = NoticeBoard()
        self._clock = clock
        self._controls = MicControls(gain_db)
        self._make_mic = make_mic or (lambda board, controls: open_mic(mic, clock, board, controls))
        self._mic: Mic | None = None
        self._retry = RetryTimer(clock)
        self._frames: Ring[CameraFrame] = Ring(N_FRAMES)
        self._fan: Fan[VoiceBlock] = Fan()
        self._sound: Ring[AudioBlock] = Ring(N_BLOCKS)
        self._tap = CameraTap(self._frames)
        self._checker = PictureChecker(self._tap)
        self._recorder = Recorder(self._frames, self._fan.add(N_BLOCKS), self._sound, clock)
        source = open_source or (lambda: open_source_of(webcam, clock, is_recorded=True))
        self._capture = CaptureLoop(self._tap, source, clock, self._board)
        self._tracking: TrackingLoop | None = None
        if open_tracker is not None or is_installed():
            tracker = open_tracker or TrackerProcess
            self._tracking = TrackingLoop(self._tap.small, self._checker.check, clock, NoticeBoard(), tracker)
        self._workers: tuple[Worker, ...] = ()

    def start(self) -> None:
        """Start; camera, microphone and face tracker open in the background. A second call does nothing."""
        if self._workers:
            return
        steps = [
            ("enrol-camera", self._capture.step, self._capture.recover),
            ("enrol-mic", self._keep_mic, self._drop_mic),
            ("enrol-record", self._recorder.step, self._recorder.cancel),
        ]
        if self._tracking is not None:
            steps.append(("enrol-checks", self._tracking.step, self._tracking.recover))
        self._workers = tuple(
            Worker(name, step, self._clock, self._board, recover, title="The recording")
            for name, step, recover in steps
        )
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Close camera and microphone, and drop an unfinished sentence; a second call does nothing."""
        workers, self._workers = self._workers, ()
        for worker in workers:
            worker.request_stop()
        self._capture.end()
        self._drop_mic()
        for worker in workers:
            worker.join(STOP_TIMEOUT_S)
        # A microphone that was being opened meanwhile.
        self._drop_mic()
        self._capture.close()
        if self._tracking is not None:
            self._tracking.close()
        self._recorder.close()
        self._tap.forget()

    def preview(self) -> CameraFrame | None:
        """The newest picture in full size; None without one."""
        return self._tap.newest if self._capture.state is WebcamState.RUNNING else None

    def begin(self, file: Path, *, is_silent: bool = False) -> None:
        """Record a sentence from now on.

        Args:
            file: where it is written; an older file is replaced when the sentence is complete.
            is_silent: the user keeps silent, so the room is checked instead of the voice.
        """
        self._checker.begin()
        self._frames.clear()
        self._tap.is_recording = True
        self._recorder.begin(file, self._capture.size, is_silent=is_silent)

    def end(self) -> None:
        """End the sentence; its result follows."""
        self._recorder.end()

    def cancel(self) -> None:
        """Drop the sentence; a file that it would have replaced stays."""
        self._recorder.cancel()
        self._tap.is_recording = False

    def take_result(self) -> SentenceResult | None:
        """How the last sentence ended; None until then. A problem of the picture counts more than one of the sound."""
        result = self._recorder.take_result()
        if result is None:
            return None
        self._tap.is_recording = False
        worst = self._checker.worst()
        return SentenceResult(result.file, worst.value) if result.file is not None and worst is not None else result

    def status(self) -> SessionStatus:
        """The current status; cheap."""
        mic = self._mic
        mic_status = mic.status() if mic is not None else None
        has_mic = mic_status is not None and mic_status.state is MicState.RUNNING
        problem, checks = self._checker.problem, self._checker
        return SessionStatus(
            has_camera=self._capture.state is WebcamState.RUNNING and self._tap.newest is not None,
            has_mic=has_mic,
            camera=self._capture.label,
            level_db=mic_status.level_db if mic_status is not None and has_mic else SILENT_DB,
            peak_db=mic_status.peak_db if mic_status is not None and has_mic else SILENT_DB,
            problem=self._problem(),
            advice=problem.value if problem is not None else "",
            is_checked=checks.n_checked > 0,
        )

    def _problem(self) -> str:
        """The newest lasting notice of camera or microphone."""
        lasting = [notice for notice in self._board.current() if notice.is_lasting]
        return f"{lasting[-1].text} {lasting[-1].what_to_do}".strip() if lasting else ""

    def _keep_mic(self, stop: threading.Event) -> None:
        """Open the microphone, and try again when that fails; the worker's step."""
        if self._mic is not None or not self._retry.is_due():
            stop.wait(WAIT_S)
            return
        self._retry.restart()
        try:
            mic = self._make_mic(self._board, self._controls)
            if stop.is_set():
                return
            self._mic = mic
            mic.start(self._sound, self._fan)
        except AudioInputError as error:
            log.info("no microphone to record with: %s", error)
            self._mic = None
            self._board.error(MIC_KEY, error, is_lasting=True)
        else:
            self._board.clear(MIC_KEY)

    def _drop_mic(self) -> None:
        mic, self._mic = self._mic, None
        if mic is not None:
            mic.stop()
