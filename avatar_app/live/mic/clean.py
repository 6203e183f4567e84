"""Optional cleaning of the sound that drives the mouth: noise suppression and automatic gain, both off by default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.packets import Float32
from avatar_app.live.mic.auto_gain import AutoGain
from avatar_app.live.mic.suppress import STRENGTHS, NoiseSuppressor

OFF = "off"


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Which cleaning is on.

    Attributes:
        noise: "off", "mild" or "strong".
        has_auto_gain: bring speech to one level.

    Raises:
        SettingsError: the strength is unknown.
    """

    noise: str = OFF
    has_auto_gain: bool = False

    def __post_init__(self) -> None:
        if self.noise not in (OFF, *STRENGTHS):
            raise SettingsError(
                f"There is no noise suppression {self.noise!r}.", f"Use one of: {', '.join((OFF, *STRENGTHS))}."
            )


def require(cleaning: Cleaning) -> None:
    """Check that the packages for a cleaning are installed.

    Raises:
        MissingExtraError: noise suppression is wanted and its package is not installed.
    """
    Cleaner(cleaning)


class Cleaner:
    """A stage: sound in, cleaned sound out; sample k out is the instant of sample k in. Thread: one.

    Args:
        cleaning: what is on.

    Raises:
        MissingExtraError: noise suppression is wanted and its package is not installed.
    """

    def __init__(self, cleaning: Cleaning) -> None:
        self._suppressor = NoiseSuppressor(cleaning.noise) if cleaning.noise != OFF else None
        self._auto_gain = AutoGain() if cleaning.has_auto_gain else None

    @property
    def lookahead_ms(self) -> float:
        """Delay of a sample."""
        return self._suppressor.lookahead_ms if self._suppressor is not None else 0.0

    @property
    def gain_db(self) -> float:
        """The current automatic gain; 0 without."""
        return self._auto_gain.gain_db if self._auto_gain is not None else 0.0

    def reset(self) -> None:
        """Return to the initial state."""
        for stage in (self._suppressor, self._auto_gain):
            if stage is not None:
                stage.reset()

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32 at 16 kHz in -1..1; return the samples that are complete."""
        return self._amplified(samples if self._suppressor is None else self._suppressor.feed(samples))

    def flush(self) -> Float32:
        """Return all samples still held back, before another cleaner continues a running stream."""
        return self._amplified(np.zeros(0, np.float32) if self._suppressor is None else self._suppressor.flush())

    def _amplified(self, sound: Float32) -> Float32:
        return sound if self._auto_gain is None else self._auto_gain.feed(sound)
