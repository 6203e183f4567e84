"""Simulates hours of the voice output in seconds: the player without sound, on clocks that drift and jitter."""

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
from avatar_app.live.voice.read_position import ReadPosition
from avatar_app.live.voice.skew import Skew

HALF_SAMPLES = 24
N_RANDOM = 4096


@dataclass(frozen=True, slots=True)
class Scenario:
    """The conditions of a simulation.

    Attributes:
        drift_ppm: by how much the microphone's clock is faster than the output's.
        delay_ns: delay of the pictures at an instant.
        latency_ms: of the output.
        jitter_ms: mean lateness of each call, and standard deviation of each stamp.
        stall_share: share of calls that are late by `stall_ms`.
        step_ms: length of the microphone's blocks and of the driver's reads.
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
class Outcome:
    """The result of a simulation, from exact instants instead of the player's estimates.

    Attributes:
        n_max_waiting: highest level of the playback buffer, in samples.
        lead_samples: its permitted level.
    """

    skew: Skew
    drift_ppm: float
    n_underruns: int
    n_max_waiting: int
    lead_samples: int
    n_jumps: int


class CountingDelayLine:
    """A delay line without sound, which records the exact skew. Thread: one."""

    def __init__(self, scenario: Scenario, latency_ns: int) -> None:
        self._scenario = scenario
        self._latency_ns = latency_ns
        self._drift = DriftControl()
        self._position = ReadPosition(scenario.rate_hz, scenario.rate_hz, 600, self._drift)
        self._silence: Float32 = np.zeros(scenario.rate_hz, np.float32)
        self.lookahead_s = HALF_SAMPLES / scenario.rate_hz
        self.player: Player | None = None
        self.skew_ms: list[float] = []
        self.n_jumps = 0

    @property
    def drift_ppm(self) -> float:
        """The controller's estimate."""
        return self._drift.drift_ppm

    @property
    def t_end_ns(self) -> float | None:
        """End of the sound so far."""
        return self._position.t_end_ns if self._position.end else None

    def is_interrupted_by(self, block: VoiceBlock) -> bool:
        """Always False: the simulated microphone is not interrupted."""
        del block
        return False

    def feed(self, block: VoiceBlock) -> None:
        """Count a block."""
        self._position.append(len(block.samples), block.t_capture_ns)

    def render(self, t_wanted_ns: float, n: int) -> tuple[Float32, float] | None:
        """Silence for the position that a real delay line would read."""
        if not self._position.end or self.player is None:
            return None
        plan = self._position.plan(t_wanted_ns)
        if plan.position + n * plan.step + HALF_SAMPLES > self._position.end:
            return None
        self._position.advance(plan, n)
        self.n_jumps += plan.left_at is not None
        buffer = self.player.buffer
        self._record_skew(plan.position, max(buffer.n_read, buffer.n_written))
        return self._silence[:n], plan.t_capture_ns

    def _record_skew(self, position: float, index: int) -> None:
        scenario = self._scenario
        t_captured_ns = position * NS_PER_S / (scenario.rate_hz * (1 + scenario.drift_ppm * 1e-6))
        t_played_ns = index * NS_PER_S / scenario.rate_hz + self._latency_ns
        wanted_ns = t_captured_ns + scenario.delay_ns(round(t_played_ns))
        self.skew_ms.append((wanted_ns - t_played_ns) / 1e6)


def simulate(scenario: Scenario) -> Outcome:
    """Run a simulation.

    Returns:
        The outcome; its skew leaves out the first minute, in which the controller settles.
    """
    clock = ManualClock()
    line = CountingDelayLine(scenario, ms_to_ns(scenario.latency_ms))
    step_samples = scenario.rate_hz * scenario.step_ms // 1000
    player = Player(line, scenario.rate_hz, lambda: scenario.delay_ns(clock.now_ns()), chunk_samples=step_samples)
    line.player = player
    read: Float32 = np.zeros((step_samples, 1), np.float32)
    n_max = 0
    for event in _events(scenario):
        clock.sleep_until(event.t_ns)
        if event.is_block:
            player.feed([VoiceBlock(event.stamped_ns, scenario.rate_hz, read[:, 0])])
        else:
            player.note(Stamp(player.buffer.n_read, step_samples, event.stamped_ns))
            player.buffer.read(read)
        player.fill(clock.now_ns())
        n_max = max(n_max, player.buffer.n_waiting)
    n_minute = 60_000 // scenario.step_ms
    lead = player.lead_samples + step_samples
    skew = Skew.of(line.skew_ms[n_minute:])
    return Outcome(skew, player.drift_ppm, player.buffer.n_underruns, n_max, lead, line.n_jumps)


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    """A block of the microphone, or a read of the driver, with its time stamp."""

    t_ns: int
    is_block: bool
    stamped_ns: int
    number: int


def _events(scenario: Scenario) -> Iterator[_Event]:
    """All events, in order except for the jitter."""
    step_ns = ms_to_ns(scenario.step_ms)
    # The stamps of a microphone are smoothed before they reach the player.
    block_ns, noise_ms = step_ns / (1 + scenario.drift_ppm * 1e-6), scenario.jitter_ms / 10
    blocks = _calls(scenario, block_ns, is_block=True, noise_ns=ms_to_ns(noise_ms))
    return heapq.merge(blocks, _calls(scenario, step_ns, is_block=False, noise_ns=ms_to_ns(scenario.jitter_ms)))


def _calls(scenario: Scenario, step_ns: float, *, is_block: bool, noise_ns: int) -> Iterator[_Event]:
    """The calls of one device."""
    random = np.random.default_rng((scenario.seed, is_block))
    n_steps = round(scenario.hours * 3600 * NS_PER_S / step_ns)
    for first in range(0, n_steps, N_RANDOM):
        late_ns = random.exponential(ms_to_ns(scenario.jitter_ms), N_RANDOM)
        late_ns += ms_to_ns(scenario.stall_ms) * (random.random(N_RANDOM) < scenario.stall_share)
        noises_ns = random.normal(0, noise_ns, N_RANDOM)
        for number, call_late_ns, call_noise_ns in zip(range(first, n_steps), late_ns, noises_ns, strict=False):
            t_ns = number * step_ns
            stamp_ns = t_ns + call_noise_ns + (0 if is_block else ms_to_ns(scenario.latency_ms))
            yield _Event(round(t_ns + call_late_ns + step_ns * is_block), is_block, round(stamp_ns), number)
