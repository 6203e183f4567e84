"""Hours of play in seconds: the player with counts and instants alone, on clocks that differ and jitter."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.voice.drift import DriftControl
from avatar_app.live.voice.player import Player, Stamp
from avatar_app.live.voice.read_position import Track
from avatar_app.live.voice.skew import Skew

HALF_SAMPLES = 24
N_RANDOM = 4096


@dataclass(frozen=True, slots=True)
class Day:
    """What is simulated.

    Attributes:
        drift_ppm: by how much the microphone's clock is faster than the output's.
        delay_ns: delay of the pictures at an instant of the simulation.
        latency_ms: of the output.
        jitter_ms: mean lateness of each call, and spread of each stamp.
        stall_share: share of calls that are late by `stall_ms`.
        step_ms: size of blocks and of the pieces that the driver fetches.
    """

    hours: float = 8.0
    drift_ppm: float = 100.0
    delay_ns: Callable[[int], float] = lambda _: ms_to_ns(280)
    latency_ms: float = 30.0
    jitter_ms: float = 3.0
    stall_share: float = 0.0005
    stall_ms: float = 40.0
    step_ms: int = 50
    rate_hz: int = 48_000
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of it: true instants, not what the player believed.

    Attributes:
        n_most_waiting: the longest that the queue to the driver ever was, in samples.
        lead_samples: the length it is allowed to have.
    """

    skew: Skew
    drift_ppm: float
    n_underruns: int
    n_most_waiting: int
    lead_samples: int
    n_jumps: int


class CountLine:
    """A delay line without sound, which writes down the truth. Thread: one."""

    def __init__(self, day: Day, latency_ns: int) -> None:
        self._day = day
        self._latency_ns = latency_ns
        self._drift = DriftControl()
        self._track = Track(day.rate_hz, day.rate_hz, 600, self._drift)
        self._silence: Float32 = np.zeros(day.rate_hz, np.float32)
        self.withheld_s = HALF_SAMPLES / day.rate_hz
        self.player: Player | None = None
        self.skew_ms: list[float] = []
        self.n_jumps = 0

    @property
    def drift_ppm(self) -> float:
        """What the controller found."""
        return self._drift.drift_ppm

    @property
    def t_end_ns(self) -> float | None:
        """The instant up to which sound is there."""
        return self._track.t_end_ns if self._track.end else None

    def is_interrupted_by(self, block: VoiceBlock) -> bool:
        """Never: the microphone of these days has no pause."""
        del block
        return False

    def feed(self, block: VoiceBlock) -> None:
        """Count a block."""
        self._track.append(len(block.samples), block.t_capture_ns)

    def render(self, t_wanted_ns: float, n: int) -> tuple[Float32, float] | None:
        """Where a real line would read, as silence."""
        if not self._track.end or self.player is None:
            return None
        cut = self._track.plan(t_wanted_ns)
        if cut.position + n * cut.step + HALF_SAMPLES > self._track.end:
            return None
        self._track.take(cut, n)
        self.n_jumps += cut.left_at is not None
        buffer = self.player.buffer
        self._write_down(cut.position, max(buffer.n_read, buffer.n_written))
        return self._silence[:n], cut.t_capture_ns

    def _write_down(self, position: float, index: int) -> None:
        day = self._day
        t_captured_ns = position * NS_PER_S / (day.rate_hz * (1 + day.drift_ppm * 1e-6))
        t_played_ns = index * NS_PER_S / day.rate_hz + self._latency_ns
        wanted_ns = t_captured_ns + day.delay_ns(round(t_played_ns))
        self.skew_ms.append((wanted_ns - t_played_ns) / 1e6)


def simulate(day: Day) -> Lived:
    """Live through a day.

    Returns:
        Skew of all pieces but those of the first minute, in which the controller finds the drift.
    """
    clock = ManualClock()
    line = CountLine(day, ms_to_ns(day.latency_ms))
    step_samples = day.rate_hz * day.step_ms // 1000
    player = Player(line, day.rate_hz, lambda: day.delay_ns(clock.now_ns()), chunk_samples=step_samples)
    line.player = player
    fetched: Float32 = np.zeros((step_samples, 1), np.float32)
    n_most = 0
    for event in _events(day):
        clock.sleep_until(event.t_ns)
        if event.is_block:
            player.hear([VoiceBlock(event.stamped_ns, day.rate_hz, fetched[:, 0])])
        else:
            player.note(Stamp(player.buffer.n_read, step_samples, event.stamped_ns))
            player.buffer.read(fetched)
        player.fill(clock.now_ns())
        n_most = max(n_most, player.buffer.n_waiting)
    n_minute = 60_000 // day.step_ms
    lead = player.lead_samples + step_samples
    skew = Skew.of(line.skew_ms[n_minute:])
    return Lived(skew, player.drift_ppm, player.buffer.n_underruns, n_most, lead, line.n_jumps)


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    """Something happens: a block of sound comes, or the driver fetches; with the stamp on it."""

    t_ns: int
    is_block: bool
    stamped_ns: int
    number: int


def _events(day: Day) -> Iterator[_Event]:
    """All of a day, in order but for the jitter."""
    step_ns = ms_to_ns(day.step_ms)
    # A microphone's stamps are smoothed before they come here.
    blocks = _calls(day, step_ns / (1 + day.drift_ppm * 1e-6), is_block=True, noise_ns=ms_to_ns(day.jitter_ms / 10))
    return heapq.merge(blocks, _calls(day, step_ns, is_block=False, noise_ns=ms_to_ns(day.jitter_ms)))


def _calls(day: Day, step_ns: float, *, is_block: bool, noise_ns: int) -> Iterator[_Event]:
    """The calls of one device."""
    random = np.random.default_rng((day.seed, is_block))
    n_steps = round(day.hours * 3600 * NS_PER_S / step_ns)
    for first in range(0, n_steps, N_RANDOM):
        late_ns = random.exponential(ms_to_ns(day.jitter_ms), N_RANDOM)
        late_ns += ms_to_ns(day.stall_ms) * (random.random(N_RANDOM) < day.stall_share)
        noises_ns = random.normal(0, noise_ns, N_RANDOM)
        for number, call_late_ns, call_noise_ns in zip(range(first, n_steps), late_ns, noises_ns, strict=False):
            t_ns = number * step_ns
            stamp_ns = t_ns + call_noise_ns + (0 if is_block else ms_to_ns(day.latency_ms))
            yield _Event(round(t_ns + call_late_ns + step_ns * is_block), is_block, round(stamp_ns), number)
