"""What is done to the microphone's sound before the lips hear it, all of it optional and off at first."""

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
    """How sound is cleaned.

    Attributes:
        noise: "off", "mild" or "strong".
        has_auto_gain: bring speech to one level.

    Raises:
        SettingsError: there is no such strength.
    """

    noise: str = OFF
    has_auto_gain: bool = False

    def __post_init__(self) -> None:
        if self.noise not in (OFF, *STRENGTHS):
            raise SettingsError(
                f"There is no noise suppression {self.noise!r}.", f"Use one of: {', '.join((OFF, *STRENGTHS))}."
            )


def require(cleaning: Cleaning) -> None:
    """Make sure that sound can be cleaned like this.

    Raises:
        MissingExtraError: noise suppression is wanted and its package is not installed.
    """
    Cleaner(cleaning)


class Cleaner:
    """A stage: sound in, cleaned sound out, sample k being the same instant as sample k in. Thread: one.

    Args:
        cleaning: what is done.

    Raises:
        MissingExtraError: noise suppression is wanted and its package is not installed.
    """

    def __init__(self, cleaning: Cleaning) -> None:
        self._suppressor = NoiseSuppressor(cleaning.noise) if cleaning.noise != OFF else None
        self._auto_gain = AutoGain() if cleaning.has_auto_gain else None

    @property
    def lookahead_ms(self) -> float:
        """Sound beyond an instant that its answer waits for."""
        return self._suppressor.lookahead_ms if self._suppressor is not None else 0.0

    @property
    def gain_db(self) -> float:
        """The automatic gain in use; 0 without."""
        return self._auto_gain.gain_db if self._auto_gain is not None else 0.0

    def reset(self) -> None:
        """Begin as if nothing had been heard."""
        for stage in (self._suppressor, self._auto_gain):
            if stage is not None:
                stage.reset()

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32 at 16 kHz in -1..1; give the samples that are known now."""
        return self._levelled(samples if self._suppressor is None else self._suppressor.feed(samples))

    def flush(self) -> Float32:
        """Give what is held back, as when another cleaner takes over in a running stream."""
        return self._levelled(np.zeros(0, np.float32) if self._suppressor is None else self._suppressor.flush())

    def _levelled(self, sound: Float32) -> Float32:
        return sound if self._auto_gain is None else self._auto_gain.feed(sound)
