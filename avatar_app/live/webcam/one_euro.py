"""The One Euro filter: smooths strongly at low speed, and follows with little lag at high speed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from avatar_app.contracts.units import ns_to_s


@dataclass(frozen=True, slots=True)
class OneEuroSpec:
    """Parameters of the filter.

    Attributes:
        min_cutoff_hz: cutoff frequency at rest; lower smooths more.
        beta: increase of the cutoff in Hz per unit of speed; higher lags less.
        speed_cutoff_hz: cutoff frequency of the speed.
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
        """Start again with the next value."""
        self._t_ns: int | None = None
        self._value = 0.0
        self._raw = 0.0
        self._speed = 0.0

    def feed(self, value: float, t_ns: int) -> float:
        """Filter one value; a time that is not after the previous one changes nothing."""
        if self._t_ns is None:
            self._t_ns, self._value, self._raw = t_ns, value, value
            return value
        passed_s = ns_to_s(t_ns - self._t_ns)
        if passed_s <= 0:
            return self._value
        speed = (value - self._raw) / passed_s
        self._speed += _alpha(self._spec.speed_cutoff_hz, passed_s) * (speed - self._speed)
        cutoff_hz = self._spec.min_cutoff_hz + self._spec.beta * abs(self._speed)
        self._value += _alpha(cutoff_hz, passed_s) * (value - self._value)
        self._t_ns, self._raw = t_ns, value
        return self._value


def _alpha(cutoff_hz: float, passed_s: float) -> float:
    """Weight of a new value in a first-order low pass."""
    step = 2 * math.pi * cutoff_hz * passed_s
    return step / (1 + step)
