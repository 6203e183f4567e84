"""The speech thread: sound in, the mouth of every frame instant out.

The sound's own clock is the master here: frame k belongs to the instant k / fps of the stream, and is drawn
as soon as the mel columns up to that instant plus the look-ahead are known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import AudioBlock, Float32, MelColumns, MouthPatch
from avatar_app.contracts.units import NS_PER_S, ns_to_ms
from avatar_app.live.frame import SpeechGate
from avatar_app.live.mel import MelStream
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.student import Student

# Lips move before they are heard: the gate may look this far beyond the instant it decides for.
ANTICIPATION_MS = 100
GATE_HISTORY_BLOCKS = 256
MEL_HISTORY_COLUMNS = 512


@dataclass(frozen=True, slots=True)
class SpeechState:
    """What the speech thread says of itself."""

    n_dropped: int
    is_speaking: bool
    t_first_mouth_ns: int | None


class MelHistory:
    """The newest mel columns in one contiguous block, so that any window of them is a view."""

    def __init__(self, n_columns: int = MEL_HISTORY_COLUMNS) -> None:
        self._n_kept = n_columns
        self.clear()

    def clear(self) -> None:
        """Begin as if silence had been heard for ever."""
        self._block = np.full((MEL.n_mels, 2 * self._n_kept), -MEL.max_abs_value, dtype=np.float32)
        self._end = self._n_kept
        self.n_columns = 0

    def append(self, columns: Float32) -> None:
        """Add (80, n) columns."""
        n = columns.shape[1]
        if self._end + n > self._block.shape[1]:
            self._block[:, : self._n_kept] = self._block[:, self._end - self._n_kept : self._end]
            self._end = self._n_kept
        self._block[:, self._end : self._end + n] = columns
        self._end += n
        self.n_columns += n

    def window(self, newest: int, n: int) -> Float32:
        """The (80, n) columns that end with column number `newest`."""
        end = self._end - (self.n_columns - 1 - newest)
        return self._block[:, end - n : end]


class SpeechPart:
    """Hears, and leaves the newest mouth in a mailbox.

    Thread: speech, but for `state`, `set_student`, `configure`, which any thread may call.
    """

    def __init__(self, clock: Clock, meters: StageMeters, mouth: Latest[MouthPatch]) -> None:
        self._clock = clock
        self._meters = meters
        self._mouth = mouth
        self._new_student: Latest[Student] = Latest()
        self._student: Student | None = None
        self._source: Ring[AudioBlock] | None = None
        self._mel = MelStream()
        self._gate = SpeechGate()
        self._history = MelHistory()
        self._openness = np.zeros(GATE_HISTORY_BLOCKS, dtype=np.float32)
        self._config: tuple[int, int] = (25, 80)
        self._grid: tuple[int, int] | None = None
        self._next_frame = 0
        self._n_heard = 0
        self._n_gated = 0
        self._t_stream_ns = 0
        self._state = SpeechState(0, False, None)

    @property
    def state(self) -> SpeechState:
        """Counters and whether somebody speaks."""
        return self._state

    def set_student(self, student: Student) -> None:
        """Hand over another student; it takes over at the next frame and the old one is closed."""
        self._new_student.put(student)

    def configure(self, fps: int, lookahead_ms: int) -> None:
        """Set frame rate and look-ahead; both take effect at the next block.

        A student that does not know this look-ahead uses its nearest one.
        """
        self._config = (fps, lookahead_ms)

    def run(self, ring: Callable[[], Ring[AudioBlock]]) -> Callable[[threading.Event], None]:
        """The worker's step: take one block from the ring in use and answer it."""

        def step(stop: threading.Event) -> None:
            del stop
            self._adopt_student()
            source = ring()
            if source is not self._source:
                self._source = source
                self.reset()
            block = source.take(timeout_s=0.1)
            if block is not None:
                self.feed(block)

        return step

    def reset(self) -> None:
        """Forget all that was heard."""
        self._mel.reset()
        self._gate.reset()
        self._history.clear()
        self._openness[:] = 0
        self._grid = None
        self._n_heard = 0
        self._n_gated = 0

    def feed(self, block: AudioBlock) -> None:
        """Take one block of sound and draw the mouths that became known through it."""
        if block.did_restart:
            self.reset()
        t_start_ns = self._clock.now_ns()
        t_end_ns = block.t_capture_ns + len(block.samples) * NS_PER_S // MEL.rate_hz
        self._meters.note("capture", ns_to_ms(t_start_ns - t_end_ns))
        self._t_stream_ns = t_end_ns - (self._n_heard + len(block.samples)) * NS_PER_S // MEL.rate_hz
        self._note_openness(block)
        columns = self._mel.feed(block)
        self._meters.note("mel", ns_to_ms(self._clock.now_ns() - t_start_ns))
        if columns is not None:
            self._draw_due(columns)

    def _adopt_student(self) -> None:
        student = self._new_student.take()
        if student is not None:
            old, self._student = self._student, student
            if old is not None:
                old.close()

    def _note_openness(self, block: AudioBlock) -> None:
        """Keep the gate's answer for every 10 ms heard."""
        self._n_heard += len(block.samples)
        for openness in self._gate.feed(block):
            self._openness[self._n_gated % GATE_HISTORY_BLOCKS] = openness
            self._n_gated += 1

    def _draw_due(self, columns: MelColumns) -> None:
        self._history.append(columns.columns)
        fps, lookahead_ms = self._used_config()
        if self._grid != (fps, lookahead_ms):
            self._start_grid(fps, lookahead_ms)
        newest_due = self._newest_due(fps, lookahead_ms)
        if newest_due < self._next_frame:
            return
        n_skipped = newest_due - self._next_frame
        self._next_frame = newest_due + 1
        self._draw(newest_due, n_skipped, fps, lookahead_ms)

    def _used_config(self) -> tuple[int, int]:
        """Frame rate, and the look-ahead that the student in use knows: it may have been adopted just now."""
        fps, wanted_ms = self._config
        student = self._student
        return fps, wanted_ms if student is None else student.spec.nearest_lookahead_ms(wanted_ms)

    def _start_grid(self, fps: int, lookahead_ms: int) -> None:
        """Begin at the newest frame that the sound heard so far allows, so that a change leaves no gap."""
        self._grid = (fps, lookahead_ms)
        self._next_frame = max(0, self._newest_due(fps, lookahead_ms))

    def _newest_due(self, fps: int, lookahead_ms: int) -> int:
        """Number of the newest frame whose window is complete (-1: none yet)."""
        t_known_s = (self._history.n_columns - 0.5) / MEL.columns_per_s - lookahead_ms / 1000
        return int(np.floor(t_known_s * fps + 1e-6))

    def _draw(self, frame: int, n_skipped: int, fps: int, lookahead_ms: int) -> None:
        t_frame_s = frame / fps
        weight = self._weight(t_frame_s, lookahead_ms)
        student, pixels = self._student, None
        if student is None:
            return
        t_start_ns = self._clock.now_ns()
        if weight > 0:
            newest = min(round((t_frame_s + lookahead_ms / 1000) * MEL.columns_per_s), self._history.n_columns - 1)
            pixels = student.draw(self._history.window(newest, student.spec.n_mel_columns), lookahead_ms)
        t_ready_ns = self._clock.now_ns()
        if pixels is not None:
            self._meters.note("student", ns_to_ms(t_ready_ns - t_start_ns))
        t_capture_ns = self._t_stream_ns + int(t_frame_s * NS_PER_S)
        self._mouth.put(MouthPatch(t_capture_ns, t_ready_ns, frame, student.spec, pixels, weight))
        self._remember(n_skipped, weight, t_ready_ns)

    def _weight(self, t_frame_s: float, lookahead_ms: int) -> float:
        """Widest openness of the gate from the frame's instant to shortly after it: opens early, never shuts early."""
        newest = max(0, self._n_gated - 1)
        oldest = max(0, newest - GATE_HISTORY_BLOCKS + 1)
        ahead_s = min(lookahead_ms, ANTICIPATION_MS) / 1000
        first, last = (min(max(int(t_s * 100), oldest), newest) for t_s in (t_frame_s, t_frame_s + ahead_s))
        return float(self._openness[np.arange(first, last + 1) % GATE_HISTORY_BLOCKS].max())

    def _remember(self, n_skipped: int, weight: float, t_ready_ns: int) -> None:
        old = self._state
        t_first_ns = old.t_first_mouth_ns or (t_ready_ns if weight > 0 else None)
        self._state = SpeechState(old.n_dropped + n_skipped, weight > 0, t_first_ns)
