"""The One Euro filter: calm when its input is, quick when it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from avatar_app.contracts.units import ns_to_s


@dataclass(frozen=True, slots=True)
class OneEuroSpec:
    """How a quantity is smoothed.

    Attributes:
        min_cutoff_hz: while it stands still; lower is calmer.
        beta: what each unit per second of speed adds to the cutoff, in Hz; higher is quicker.
        speed_cutoff_hz: for the speed itself.
    """

    min_cutoff_hz: float
    beta: float
    speed_cutoff_hz: float = 1.0


class OneEuro:
    """Casiez, Roussel and Vogel, "1 Euro filter", CHI 2012. Thread: one."""

    def __init__(self, spec: OneEuroSpec) -> None:
        self._spec = spec
        self.reset()

    def reset(self) -> None:
        """Begin with the next value."""
        self._t_ns: int | None = None
        self._value = 0.0
        self._raw = 0.0
        self._speed = 0.0

    def feed(self, value: float, t_ns: int) -> float:
        """Smooth one value; an instant that is not later than the one before changes nothing."""
        if self._t_ns is None:
            self._t_ns, self._value, self._raw = t_ns, value, value
            return value
        passed_s = ns_to_s(t_ns - self._t_ns)
        if passed_s <= 0:
            return self._value
        speed = (value - self._raw) / passed_s
        self._speed += _share(self._spec.speed_cutoff_hz, passed_s) * (speed - self._speed)
        cutoff_hz = self._spec.min_cutoff_hz + self._spec.beta * abs(self._speed)
        self._value += _share(cutoff_hz, passed_s) * (value - self._value)
        self._t_ns, self._raw = t_ns, value
        return self._value


def _share(cutoff_hz: float, passed_s: float) -> float:
    """Weight of a new value in a first-order low pass."""
    step = 2 * math.pi * cutoff_hz * passed_s
    return step / (1 + step)
