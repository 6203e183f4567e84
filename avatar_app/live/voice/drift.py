"""Drift correction: by how much to change the rate at which sound is read, so that it stays on time."""

from __future__ import annotations

# Clocks of sound devices differ by up to a few hundred ppm; a larger estimate is an error.
MAX_DRIFT = 500e-6
# The pitch changes by less than two cents, which is inaudible.
MAX_CORRECTION = 1000e-6
# A critically damped loop that settles in about a minute. A loop twice as fast passes the jitter of the time stamps on
# to the reported drift.
PROPORTIONAL_PER_S = 0.1
INTEGRAL_PER_S2 = PROPORTIONAL_PER_S**2 / 4
# The drift of two clocks is constant; the loop's estimate varies with the jitter of the stamps, with PulseAudio by
# 100 ppm. The reported drift is a mean over SHOWN_S, once the loop has settled.
SETTLED_S = 120.0
SHOWN_S = 300.0


class DriftControl:
    """A PI controller from the timing error to a change of rate. Thread: one."""

    def __init__(self) -> None:
        self._drift = 0.0
        self._shown = 0.0
        self._age_s = 0.0

    @property
    def drift_ppm(self) -> float:
        """By how much the sound's clock is faster than the player's, in ppm."""
        return self._shown * 1e6

    def correction(self, error_s: float) -> float:
        """Change of rate for an error; positive when sound is late and must be read faster."""
        return _limited(self._drift + PROPORTIONAL_PER_S * error_s, MAX_CORRECTION)

    def update(self, error_s: float, passed_s: float) -> None:
        """Integrate an error that lasted for some time."""
        self._drift = _limited(self._drift + INTEGRAL_PER_S2 * error_s * passed_s, MAX_DRIFT)
        self._age_s = min(self._age_s + passed_s, SHOWN_S)
        share = passed_s / self._age_s if self._age_s > SETTLED_S else 1.0
        self._shown += share * (self._drift - self._shown)


def _limited(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
