"""Fills the playback buffer: each sample is chosen for the instant at which it leaves the output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms, ns_to_s
from avatar_app.live.voice.buffer import PlayBuffer
from avatar_app.live.voice.delay import DelayFollower
from avatar_app.live.voice.delay_line import declicked
from avatar_app.live.voice.skew import SkewMeter
from avatar_app.live.voice.times import PlayedTimes

# Target level of the playback buffer: a worker that is late by less causes no underrun.
LEAD_NS = ms_to_ns(60)
CAPACITY_S = 0.5
# The voice cannot be earlier than its sound arrives. The required delay is a quantile of the newest measurements.
N_REQUIRED = 256
REQUIRED_QUANTILE = 0.98
REQUIRED_EVERY = 32
MARGIN_NS = ms_to_ns(3)
# A smaller required delay is used only when it differs by this, so that the delay stays constant.
REQUIRED_STEP_NS = ms_to_ns(5)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One read of the driver: index of the first sample, number of samples, and when the first leaves the output."""

    index: int
    n_samples: int
    t_played_ns: int
    is_underflow: bool = False


class VoiceSource(Protocol):
    """The player's source of sound, see `DelayLine`."""

    @property
    def drift_ppm(self) -> float:
        """By how much the sound's clock is faster."""
        ...

    @property
    def t_end_ns(self) -> float | None:
        """End of the sound so far."""
        ...

    @property
    def lookahead_s(self) -> float:
        """Sound that must have arrived after an instant before it can be read."""
        ...

    def is_interrupted_by(self, block: VoiceBlock) -> bool:
        """Whether sound is missing before a block."""
        ...

    def feed(self, block: VoiceBlock) -> None:
        """Take a block."""
        ...

    def render(self, t_wanted_ns: float, n: int) -> tuple[Float32, float] | None:
        """The sound captured from an instant on, and its actual capture instant."""
        ...


class Player:
    """Reads the sound for each instant and writes it to the playback buffer.

    Thread: one, except `buffer.read`, which is the driver's.

    Args:
        source: the sound.
        rate_hz: of the output.
        delay_ns: the delay of the pictures behind the microphone; None, or NaN, while it is unknown.
        chunk_samples: rendered together; 10 ms by default.
    """

    def __init__(
        self, source: VoiceSource, rate_hz: int, delay_ns: Callable[[], float | None], chunk_samples: int | None = None
    ) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._chunk = chunk_samples or rate_hz // 100
        self._follower = DelayFollower(delay_ns)
        self._played = PlayedTimes(rate_hz)
        self._rendered: deque[tuple[int, float]] = deque(maxlen=64)
        self._required: deque[float] = deque(maxlen=N_REQUIRED)
        self._n_required = 0
        self._required_ns = 0.0
        self.lead_samples = int(ns_to_s(LEAD_NS) * rate_hz)
        self.buffer = PlayBuffer(max(int(CAPACITY_S * rate_hz), 4 * self._chunk))
        self.skew = SkewMeter()

    @property
    def delay_ms(self) -> float:
        """From the microphone to the output, as used."""
        return ns_to_ms(round(self._used_ns()))

    @property
    def late_ms(self) -> float:
        """By how much the used delay exceeds the wanted one, because the devices are slow."""
        return ns_to_ms(round(self._used_ns() - self._follower.delay_ns))

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock is faster than the output's, in ppm."""
        return self._source.drift_ppm

    def feed(self, blocks: Sequence[VoiceBlock]) -> None:
        """Take blocks, oldest first."""
        if blocks and not self._source.is_interrupted_by(blocks[0]):
            self._note_required_delay()
        for block in blocks:
            self._source.feed(block)

    def note(self, stamp: Stamp) -> None:
        """Take a stamp of the driver."""
        if self._played.note(stamp.index, stamp.t_played_ns):
            self._rendered.clear()
            self._required.clear()
            self.skew.clear()
        # The buffer must hold two reads of a driver with large buffers.
        self.lead_samples = max(self.lead_samples, min(2 * stamp.n_samples, self.buffer.capacity - self._chunk))
        while len(self._rendered) > 1 and self._rendered[1][0] <= stamp.index:
            self._rendered.popleft()
        if self._rendered and 0 <= stamp.index - self._rendered[0][0] < self._chunk:
            first, t_capture_ns = self._rendered[0]
            wanted_ns = t_capture_ns + (stamp.index - first) * NS_PER_S / self._rate_hz + self._follower.delay_ns
            self.skew.note(ns_to_ms(round(wanted_ns - self._played.instant(stamp.index))))

    def fill(self, t_now_ns: int) -> None:
        """Render as much as the buffer needs and the source has."""
        self._follower.poll(t_now_ns)
        if not self._played.is_known:
            return
        while self.buffer.n_waiting < self.lead_samples and self._render():
            pass

    def _render(self) -> bool:
        is_after_gap = self.buffer.n_read > self.buffer.n_written
        index = max(self.buffer.n_read, self.buffer.n_written)
        rendered = self._source.render(self._played.instant(index) - self._used_ns(), self._chunk)
        if rendered is None:
            return False
        sound, t_capture_ns = rendered
        self.buffer.write(index, declicked(sound, 0.0) if is_after_gap else sound)
        self._rendered.append((index, t_capture_ns))
        return True

    def _used_ns(self) -> float:
        return max(self._follower.delay_ns, self._required_ns)

    def _note_required_delay(self) -> None:
        """Measure the delay that the output needs; it is longest just before new sound arrives."""
        t_end_ns = self._source.t_end_ns
        if t_end_ns is None or not self._played.is_known:
            return
        lookahead_ns = (self._source.lookahead_s + self._chunk / self._rate_hz) * NS_PER_S
        self._required.append(self._played.instant(self.buffer.n_read) - t_end_ns + lookahead_ns + MARGIN_NS)
        self._n_required += 1
        if self._n_required % REQUIRED_EVERY == 0:
            required_ns = float(np.quantile(self._required, REQUIRED_QUANTILE))
            if required_ns > self._required_ns or required_ns < self._required_ns - REQUIRED_STEP_NS:
                self._required_ns = required_ns
