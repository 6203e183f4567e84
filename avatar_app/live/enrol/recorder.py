"""The recording thread: writes pictures and sound between `begin` and `end` into a file, and checks the sound."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import AudioBlock, Float32, VoiceBlock
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.enrol.sentence_file import SentenceFile
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.live.webcam.recording_checks import check_room, check_sound

# A second and a half of pictures: 120 MB at 1280 x 720.
N_FRAMES = 45
N_BLOCKS = 400
WAIT_S = 0.02
# At most this many pictures in one step, so that sound does not wait for them.
N_FRAMES_PER_STEP = 8
# What arrives later than this after the end is not waited for.
LATE_NS = ms_to_ns(700)
NO_PICTURE = OutputError("The camera delivered no picture for this sentence.", "Check the camera, then repeat it.")


@dataclass(frozen=True, slots=True)
class Order:
    """One recording: from `t_begin_ns` to the end that `Recorder.end` sets."""

    file: Path
    size: tuple[int, int]
    is_silent: bool
    t_begin_ns: int


@dataclass(frozen=True, slots=True)
class SentenceResult:
    """How the recording of a sentence ended.

    Attributes:
        file: the written file; None when there is none.
        problem: what is wrong with the sound, or why there is no file; empty if nothing is.
        what_to_do: the second sentence of a failure.
    """

    file: Path | None
    problem: str = ""
    what_to_do: str = ""


class Recorder:
    """Writes one sentence at a time. Thread: `step` by its worker, `close` by the owner after it, the rest any.

    Args:
        frames: the camera's pictures while a sentence is recorded.
        voice: the microphone's sound at its own rate.
        sound: the same at 16 kHz, for the checks.
        clock: the program's.
    """

    def __init__(
        self, frames: Ring[CameraFrame], voice: Ring[VoiceBlock], sound: Ring[AudioBlock], clock: Clock
    ) -> None:
        self._frames, self._voice, self._sound, self._clock = frames, voice, sound, clock
        self._lock = threading.Lock()
        self._order: Order | None = None
        self._t_end_ns: int | None = None
        self._results: Ring[SentenceResult] = Ring(4)
        # Of the order in work; the recording thread's own.
        self._working: Order | None = None
        self._file: SentenceFile | None = None
        self._t_picture_ns = self._t_sound_ns = 0
        self._heard: list[Float32] = []

    @property
    def is_recording(self) -> bool:
        """Whether a sentence is recorded, or is being saved."""
        return self._order is not None

    def begin(self, file: Path, size: tuple[int, int], *, is_silent: bool = False) -> None:
        """Record from now on; a sentence that is still being recorded is dropped."""
        with self._lock:
            self._order, self._t_end_ns = Order(file, size, is_silent, self._clock.now_ns()), None

    def end(self) -> None:
        """End the sentence now; `take_result` has the result soon."""
        with self._lock:
            self._t_end_ns = self._clock.now_ns() if self._t_end_ns is None else self._t_end_ns

    def cancel(self) -> None:
        """Drop the sentence."""
        with self._lock:
            self._order = None

    def take_result(self) -> SentenceResult | None:
        """The next result; None without one."""
        return self._results.take()

    def step(self, stop: threading.Event) -> None:
        """Write what has arrived; the worker's step."""
        del stop
        with self._lock:
            order, t_end_ns = self._order, self._t_end_ns
        if order is not self._working:
            self._drop()
            self._working = order
        try:
            self._drain(order)
            if order is not None and t_end_ns is not None and self._is_over(t_end_ns):
                self._finish(order, t_end_ns)
        except OutputError as error:
            self._report(SentenceResult(None, error.what, error.what_to_do))

    def close(self) -> None:
        """Drop an unfinished sentence; a second call does nothing."""
        self.cancel()
        self._drop()

    def _drain(self, order: Order | None) -> None:
        frame = self._frames.take(WAIT_S)
        for _ in range(N_FRAMES_PER_STEP):
            if frame is None:
                break
            if order is not None and frame.t_capture_ns >= order.t_begin_ns:
                self._opened(order).add_picture(frame.pixels, frame.t_capture_ns)
                self._t_picture_ns = frame.t_capture_ns
            frame = self._frames.take()
        self._drain_sound(order)

    def _drain_sound(self, order: Order | None) -> None:
        while (voice := self._voice.take()) is not None:
            if order is not None:
                self._opened(order).add_sound(voice)
                self._t_sound_ns = voice.t_capture_ns
        while (block := self._sound.take()) is not None:
            if order is not None and block.t_capture_ns >= order.t_begin_ns:
                self._heard.append(block.samples)

    def _opened(self, order: Order) -> SentenceFile:
        if self._file is None:
            self._file = SentenceFile(order.file, order.size, order.t_begin_ns)
        return self._file

    def _is_over(self, t_end_ns: int) -> bool:
        """Whether picture and sound of the end have arrived, or are too late."""
        has_all = min(self._t_picture_ns, self._t_sound_ns) >= t_end_ns
        return has_all or self._clock.now_ns() > t_end_ns + LATE_NS

    def _finish(self, order: Order, t_end_ns: int) -> None:
        if not self._t_picture_ns:
            raise NO_PICTURE
        self._opened(order).finish(t_end_ns)
        self._file = None
        self._report(SentenceResult(order.file, self._sound_problem(order)))

    def _sound_problem(self, order: Order) -> str:
        samples = np.concatenate(self._heard) if self._heard else np.zeros(0, np.float32)
        problem = check_room(samples) if order.is_silent else check_sound(samples)
        return "" if problem is None else problem.value

    def _report(self, result: SentenceResult) -> None:
        with self._lock:
            self._order = None
        self._working = None
        self._drop()
        self._results.put(result)

    def _drop(self) -> None:
        if self._file is not None:
            self._file.discard()
        self._file, self._heard = None, []
        self._t_picture_ns = self._t_sound_ns = 0
