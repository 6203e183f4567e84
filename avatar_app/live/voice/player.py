"""Fills the short piece of sound that waits for the driver, each sample for the instant at which it will be heard."""

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
from avatar_app.live.voice.delay_line import joined
from avatar_app.live.voice.skew import SkewMeter
from avatar_app.live.voice.times import PlayedTimes

# So much waits for the driver where sound comes early enough: a thread that is late by that breaks nothing.
LEAD_NS = ms_to_ns(60)
CAPACITY_S = 0.5
# The output cannot be earlier than sound comes in. How early that is, is what all but two in a hundred looks allow.
N_NEEDS = 256
NEED_SHARE = 0.98
NEEDS_EVERY = 32
MARGIN_NS = ms_to_ns(3)
# A need that shrinks is believed when it shrinks by so much: the delay shall not wander.
NEED_STEP_NS = ms_to_ns(5)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The driver fetched samples: the first one's number, their count, and when the first leaves the output."""

    index: int
    n_samples: int
    t_played_ns: int
    is_underflow: bool = False


class Line(Protocol):
    """What gives sound, see `DelayLine`."""

    @property
    def drift_ppm(self) -> float:
        """By how much the sound's clock runs faster."""
        ...

    @property
    def t_end_ns(self) -> float | None:
        """The instant up to which sound is there."""
        ...

    @property
    def withheld_s(self) -> float:
        """Sound around an instant that reading it needs."""
        ...

    def is_interrupted_by(self, block: VoiceBlock) -> bool:
        """Whether sound is missing before a block."""
        ...

    def feed(self, block: VoiceBlock) -> None:
        """Take a block."""
        ...

    def render(self, t_wanted_ns: float, n: int) -> tuple[Float32, float] | None:
        """What was captured from an instant on, and the instant that it begins with."""
        ...


class Player:
    """Thread: one, but for `buffer.read`, which is the driver's.

    Args:
        line: the sound.
        rate_hz: of the output.
        delay_ns: the delay of the pictures behind the microphone; None, or NaN, while it is not known.
        chunk_samples: rendered at once; 10 ms unless a simulation is in a hurry.
    """

    def __init__(
        self, line: Line, rate_hz: int, delay_ns: Callable[[], float | None], chunk_samples: int | None = None
    ) -> None:
        self._line = line
        self._rate_hz = rate_hz
        self._chunk = chunk_samples or rate_hz // 100
        self._follower = DelayFollower(delay_ns)
        self._played = PlayedTimes(rate_hz)
        self._cuts: deque[tuple[int, float]] = deque(maxlen=64)
        self._needs: deque[float] = deque(maxlen=N_NEEDS)
        self._n_needs = 0
        self._need_ns = 0.0
        self.lead_samples = int(ns_to_s(LEAD_NS) * rate_hz)
        self.buffer = PlayBuffer(max(int(CAPACITY_S * rate_hz), 4 * self._chunk))
        self.skew = SkewMeter()

    @property
    def delay_ms(self) -> float:
        """From the microphone to the output, as it is used."""
        return ns_to_ms(round(self._used_ns()))

    @property
    def late_ms(self) -> float:
        """By how much more than wanted the voice is late, because the devices are not faster."""
        return ns_to_ms(round(self._used_ns() - self._follower.delay_ns))

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock runs faster than the output's."""
        return self._line.drift_ppm

    def hear(self, blocks: Sequence[VoiceBlock]) -> None:
        """Sound came in: what waited, oldest first."""
        if blocks and not self._line.is_interrupted_by(blocks[0]):
            self._note_need()
        for block in blocks:
            self._line.feed(block)

    def note(self, stamp: Stamp) -> None:
        """The driver fetched sound."""
        if self._played.note(stamp.index, stamp.t_played_ns):
            self._cuts.clear()
            self._needs.clear()
            self.skew.clear()
        # A driver that fetches a lot at once must find it.
        self.lead_samples = max(self.lead_samples, min(2 * stamp.n_samples, self.buffer.capacity - self._chunk))
        while len(self._cuts) > 1 and self._cuts[1][0] <= stamp.index:
            self._cuts.popleft()
        if self._cuts and 0 <= stamp.index - self._cuts[0][0] < self._chunk:
            first, t_capture_ns = self._cuts[0]
            wanted_ns = t_capture_ns + (stamp.index - first) * NS_PER_S / self._rate_hz + self._follower.delay_ns
            self.skew.note(ns_to_ms(round(wanted_ns - self._played.instant(stamp.index))))

    def fill(self, t_now_ns: int) -> None:
        """Render what can be rendered."""
        self._follower.look(t_now_ns)
        if not self._played.is_known:
            return
        while self.buffer.n_waiting < self.lead_samples and self._render():
            pass

    def _render(self) -> bool:
        is_after_gap = self.buffer.n_read > self.buffer.n_written
        index = max(self.buffer.n_read, self.buffer.n_written)
        rendered = self._line.render(self._played.instant(index) - self._used_ns(), self._chunk)
        if rendered is None:
            return False
        sound, t_capture_ns = rendered
        self.buffer.write(index, joined(sound, 0.0) if is_after_gap else sound)
        self._cuts.append((index, t_capture_ns))
        return True

    def _used_ns(self) -> float:
        return max(self._follower.delay_ns, self._need_ns)

    def _note_need(self) -> None:
        """Just before new sound comes is when it is missed most."""
        t_end_ns = self._line.t_end_ns
        if t_end_ns is None or not self._played.is_known:
            return
        withheld_ns = (self._line.withheld_s + self._chunk / self._rate_hz) * NS_PER_S
        self._needs.append(self._played.instant(self.buffer.n_read) - t_end_ns + withheld_ns + MARGIN_NS)
        self._n_needs += 1
        if self._n_needs % NEEDS_EVERY == 0:
            need_ns = float(np.quantile(self._needs, NEED_SHARE))
            if need_ns > self._need_ns or need_ns < self._need_ns - NEED_STEP_NS:
                self._need_ns = need_ns
