"""The read position of the delay line, from sample counts and instants alone."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.voice.drift import DriftControl
from avatar_app.live.voice.times import CaptureTimes

# Smaller errors are corrected by inaudible changes of rate, larger ones by a crossfade.
MAX_SLEW_NS = ms_to_ns(10)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A section of the sound to read next.

    Attributes:
        position: fractional index of the first sample.
        step: input samples per output sample.
        left_at: the position to crossfade from; None when reading continues without a jump.
        error_s: lateness of the sound.
        t_capture_ns: capture instant of `position`.
    """

    position: float
    step: float
    left_at: float | None
    error_s: float
    t_capture_ns: float


class ReadPosition:
    """Plans the read position for a wanted instant. Thread: one.

    Args:
        in_hz: rate of the sound.
        out_hz: rate of the output.
        n_blocks: number of blocks whose capture times are kept.
        drift: the controller; it outlives a restart of the sound.
    """

    def __init__(self, in_hz: int, out_hz: int, n_blocks: int, drift: DriftControl) -> None:
        self._in_hz, self._out_hz = in_hz, out_hz
        self._drift = drift
        self._times = CaptureTimes(in_hz, n_blocks)
        self._next: float | None = None

    @property
    def end(self) -> int:
        """Number of samples so far."""
        return self._times.end

    @property
    def t_end_ns(self) -> float:
        """Capture instant of the end of the newest sample."""
        return self._times.t_end_ns

    def append(self, n_samples: int, t_capture_ns: int) -> None:
        """Add a block."""
        self._times.append(n_samples, t_capture_ns)

    def plan(self, t_wanted_ns: float) -> ReadPlan:
        """Plan how to read the sound captured at an instant; changes nothing until `advance`."""
        wanted = self._times.position(t_wanted_ns)
        base = self._in_hz / self._out_hz
        error_s = 0.0 if self._next is None else (wanted - self._next) / self._in_hz
        if self._next is None or abs(error_s) * NS_PER_S > MAX_SLEW_NS:
            step = base * (1 + self._drift.correction(0.0))
            return ReadPlan(wanted, step, self._next, 0.0, t_wanted_ns)
        step = base * (1 + self._drift.correction(error_s))
        return ReadPlan(self._next, step, None, error_s, t_wanted_ns - error_s * NS_PER_S)

    def advance(self, plan: ReadPlan, n: int) -> None:
        """Advance by `n` output samples, read as planned."""
        self._drift.update(plan.error_s, n / self._out_hz)
        self._next = plan.position + n * plan.step
