"""The speech thread: sound in, the mouth of every frame instant out.

The sound's own clock is the time base: frame k belongs to the instant k / fps of the stream. Its mouth is generated as
soon as the mel columns up to that instant plus the look-ahead are known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import Mouth, MouthDriver
from avatar_app.contracts.packets import AudioBlock, MelColumns
from avatar_app.contracts.units import NS_PER_S, ns_to_ms
from avatar_app.live.frame import SpeechGate
from avatar_app.live.mel import MelHistory, MelStream
from avatar_app.live.runtime.meters import StageMeters

# Lips move before the sound starts: the gate uses sound up to this long after the instant.
ANTICIPATION_MS = 100
GATE_HISTORY_BLOCKS = 256


@dataclass(frozen=True, slots=True)
class SpeechState:
    """Figures of the speech thread."""

    n_dropped: int
    is_speaking: bool
    t_first_mouth_ns: int | None


class SpeechLoop:
    """Turns sound into mouths and puts the newest one in a mailbox.

    Thread: speech, except for `state`, `set_driver`, `configure`, which any thread may call.
    """

    def __init__(self, clock: Clock, meters: StageMeters, mouth: Latest[Mouth]) -> None:
        self._clock = clock
        self._meters = meters
        self._mouth = mouth
        self._lock = threading.Lock()
        self._new_driver: tuple[MouthDriver, Callable[[], None] | None] | None = None
        self._driver: MouthDriver | None = None
        self._source: Ring[AudioBlock] | None = None
        self._mel = MelStream()
        self._gate = SpeechGate()
        self._history = MelHistory()
        self._openness = np.zeros(GATE_HISTORY_BLOCKS, dtype=np.float32)
        self._config: tuple[int, int] = (25, 80)
        self._grid: tuple[int, int] | None = None
        self._next_frame = 0
        self._n_samples = 0
        self._n_gated = 0
        self._t_stream_ns = 0
        self._state = SpeechState(0, False, None)

    @property
    def state(self) -> SpeechState:
        """Counters, and whether the user speaks."""
        return self._state

    def set_driver(self, driver: MouthDriver, then: Callable[[], None] | None = None) -> None:
        """Use another driver from the next frame on; this thread closes the old one.

        Args:
            driver: the new one.
            then: called on this thread when the old driver makes no more mouths, also if yet another driver replaces
                this one before.
        """
        with self._lock:
            if then is None and self._new_driver is not None:
                then = self._new_driver[1]
            self._new_driver = driver, then

    def configure(self, fps: int, lookahead_ms: int) -> None:
        """Set frame rate and look-ahead; both take effect at the next block.

        A driver that does not support this look-ahead uses its nearest one.
        """
        self._config = (fps, lookahead_ms)

    def run(self, ring: Callable[[], Ring[AudioBlock]]) -> Callable[[threading.Event], None]:
        """The worker's step: take one block from the ring in use and process it."""

        def step(stop: threading.Event) -> None:
            del stop
            self._adopt_driver()
            source = ring()
            if source is not self._source:
                self._source = source
                self.reset()
            block = source.take(timeout_s=0.1)
            if block is not None:
                self.feed(block)

        return step

    def reset(self) -> None:
        """Forget all earlier sound."""
        self._mel.reset()
        self._gate.reset()
        self._history.clear()
        self._openness[:] = 0
        self._grid = None
        self._n_samples = 0
        self._n_gated = 0

    def feed(self, block: AudioBlock) -> None:
        """Take one block of sound and make the newest mouth that is complete with it."""
        if block.did_restart:
            self.reset()
        t_start_ns = self._clock.now_ns()
        t_end_ns = block.t_capture_ns + len(block.samples) * NS_PER_S // MEL.rate_hz
        self._meters.note("capture", ns_to_ms(t_start_ns - t_end_ns))
        self._t_stream_ns = t_end_ns - (self._n_samples + len(block.samples)) * NS_PER_S // MEL.rate_hz
        self._note_openness(block)
        columns = self._mel.feed(block)
        self._meters.note("mel", ns_to_ms(self._clock.now_ns() - t_start_ns))
        if columns is not None:
            self._drive_due(columns)

    def _adopt_driver(self) -> None:
        with self._lock:
            new, self._new_driver = self._new_driver, None
        if new is None:
            return
        old = self._driver
        self._driver, then = new
        if then is not None:
            then()
        if old is not None:
            old.close()

    def _note_openness(self, block: AudioBlock) -> None:
        """Keep the gate's openness for every 10 ms of sound."""
        self._n_samples += len(block.samples)
        for openness in self._gate.feed(block):
            self._openness[self._n_gated % GATE_HISTORY_BLOCKS] = openness
            self._n_gated += 1

    def _drive_due(self, columns: MelColumns) -> None:
        self._history.append(columns.columns)
        fps, lookahead_ms = self._used_config()
        if self._grid != (fps, lookahead_ms):
            self._start_grid(fps, lookahead_ms)
        newest_due = self._newest_due(fps, lookahead_ms)
        if newest_due < self._next_frame:
            return
        n_skipped = newest_due - self._next_frame
        self._next_frame = newest_due + 1
        self._drive(newest_due, n_skipped, fps, lookahead_ms)

    def _used_config(self) -> tuple[int, int]:
        """Frame rate, and the nearest look-ahead that the driver in use supports."""
        fps, wanted_ms = self._config
        driver = self._driver
        return fps, wanted_ms if driver is None else driver.spec.nearest_lookahead_ms(wanted_ms)

    def _start_grid(self, fps: int, lookahead_ms: int) -> None:
        """Begin at the newest frame that the sound so far allows, so that a change leaves no gap."""
        self._grid = (fps, lookahead_ms)
        self._next_frame = max(0, self._newest_due(fps, lookahead_ms))

    def _newest_due(self, fps: int, lookahead_ms: int) -> int:
        """Number of the newest frame whose window is complete (-1: none yet)."""
        t_known_s = (self._history.n_columns - 0.5) / MEL.columns_per_s - lookahead_ms / 1000
        return int(np.floor(t_known_s * fps + 1e-6))

    def _drive(self, frame: int, n_skipped: int, fps: int, lookahead_ms: int) -> None:
        t_frame_s = frame / fps
        weight = self._weight(t_frame_s, lookahead_ms)
        driver, shape = self._driver, None
        if driver is None:
            return
        t_start_ns = self._clock.now_ns()
        if weight > 0:
            newest = min(round((t_frame_s + lookahead_ms / 1000) * MEL.columns_per_s), self._history.n_columns - 1)
            shape = driver.drive(self._history.window(newest, driver.spec.n_mel_columns), lookahead_ms)
        t_ready_ns = self._clock.now_ns()
        if shape is not None:
            self._meters.note("student", ns_to_ms(t_ready_ns - t_start_ns))
        t_capture_ns = self._t_stream_ns + int(t_frame_s * NS_PER_S)
        self._mouth.put(Mouth(t_capture_ns, t_ready_ns, frame, shape, weight))
        self._count(n_skipped, weight, t_ready_ns)

    def _weight(self, t_frame_s: float, lookahead_ms: int) -> float:
        """Widest openness of the gate from the frame's instant to shortly after it: opens early, never closes early."""
        newest = max(0, self._n_gated - 1)
        oldest = max(0, newest - GATE_HISTORY_BLOCKS + 1)
        ahead_s = min(lookahead_ms, ANTICIPATION_MS) / 1000
        first, last = (min(max(int(t_s * 100), oldest), newest) for t_s in (t_frame_s, t_frame_s + ahead_s))
        return float(self._openness[np.arange(first, last + 1) % GATE_HISTORY_BLOCKS].max())

    def _count(self, n_skipped: int, weight: float, t_ready_ns: int) -> None:
        old = self._state
        t_first_ns = old.t_first_mouth_ns or (t_ready_ns if weight > 0 else None)
        self._state = SpeechState(old.n_dropped + n_skipped, weight > 0, t_first_ns)
