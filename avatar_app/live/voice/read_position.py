"""Where in the sound that came in the player must read; knows counts and instants, no samples."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.voice.drift import DriftControl
from avatar_app.live.voice.times import CaptureTimes

# Up to here an error is made good by playing imperceptibly faster or slower, beyond by a crossfade at once.
MAX_SLEW_NS = ms_to_ns(10)


@dataclass(frozen=True, slots=True)
class Cut:
    """What is played next.

    Attributes:
        position: number of the first sample, with its fraction.
        step: samples of the sound for one sample of the output.
        left_at: the position that was next, where sound is left by a crossfade; None where it goes on.
        error_s: how late the sound was.
        t_capture_ns: capture instant of `position`.
    """

    position: float
    step: float
    left_at: float | None
    error_s: float
    t_capture_ns: float


class Track:
    """Follows the wanted instant. Thread: one.

    Args:
        in_hz: rate of the sound.
        out_hz: rate of the output.
        n_blocks: how many blocks of sound are remembered.
        drift: the controller; outlives a restart of the sound.
    """

    def __init__(self, in_hz: int, out_hz: int, n_blocks: int, drift: DriftControl) -> None:
        self._in_hz, self._out_hz = in_hz, out_hz
        self._drift = drift
        self._times = CaptureTimes(in_hz, n_blocks)
        self._next: float | None = None

    @property
    def end(self) -> int:
        """Number of samples that came in."""
        return self._times.end

    @property
    def t_end_ns(self) -> float:
        """The instant at which the newest sample ended."""
        return self._times.t_end_ns

    def append(self, n_samples: int, t_capture_ns: int) -> None:
        """Sound came in."""
        self._times.append(n_samples, t_capture_ns)

    def plan(self, t_wanted_ns: float) -> Cut:
        """How to play next what was captured at an instant; changes nothing until `take`."""
        wanted = self._times.position(t_wanted_ns)
        base = self._in_hz / self._out_hz
        error_s = 0.0 if self._next is None else (wanted - self._next) / self._in_hz
        if self._next is None or abs(error_s) * NS_PER_S > MAX_SLEW_NS:
            step = base * (1 + self._drift.correction(0.0))
            return Cut(wanted, step, self._next, 0.0, t_wanted_ns)
        step = base * (1 + self._drift.correction(error_s))
        return Cut(self._next, step, None, error_s, t_wanted_ns - error_s * NS_PER_S)

    def take(self, cut: Cut, n: int) -> None:
        """`n` samples are played as planned."""
        self._drift.learn(cut.error_s, n / self._out_hz)
        self._next = cut.position + n * cut.step
