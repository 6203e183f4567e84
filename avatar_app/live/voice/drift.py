"""How much faster than nominal sound must be read so that it stays at its instant."""

from __future__ import annotations

# Clocks of sound devices differ by up to a few hundred millionths; what is beyond is a mistake, not a clock.
MAX_DRIFT = 500e-6
# Pitch changes by less than two cents: nobody hears that.
MAX_CORRECTION = 1000e-6
# A critically damped loop that settles in about a minute. Twice as fast, it passes the jitter of time stamps on to the
# drift that is shown.
PROPORTIONAL_PER_S = 0.1
INTEGRAL_PER_S2 = PROPORTIONAL_PER_S**2 / 4
# The drift of two clocks is steady; that of the loop wanders with the jitter of stamps, in PulseAudio by 100 ppm. What
# is shown is a mean of so long, once the loop has settled.
SETTLED_S = 120.0
SHOWN_S = 300.0


class DriftControl:
    """A PI controller from the error of time to a change of rate. Thread: one."""

    def __init__(self) -> None:
        self._drift = 0.0
        self._shown = 0.0
        self._lived_s = 0.0

    @property
    def drift_ppm(self) -> float:
        """By how much the sound's clock runs faster than the player's, in millionths."""
        return self._shown * 1e6

    def correction(self, error_s: float) -> float:
        """Change of rate for an error, positive when sound is late and must hurry."""
        return _limited(self._drift + PROPORTIONAL_PER_S * error_s, MAX_CORRECTION)

    def learn(self, error_s: float, passed_s: float) -> None:
        """An error stood for some time."""
        self._drift = _limited(self._drift + INTEGRAL_PER_S2 * error_s * passed_s, MAX_DRIFT)
        self._lived_s = min(self._lived_s + passed_s, SHOWN_S)
        share = passed_s / self._lived_s if self._lived_s > SETTLED_S else 1.0
        self._shown += share * (self._drift - self._shown)


def _limited(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
