"""Gain, mute and the level meter."""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.mic.mic import SILENT_DB

# The meter follows a rise at once and falls so fast, which reads well.
LEVEL_FALL_DB_PER_S = 60.0
PEAK_FALL_DB_PER_S = 12.0


class Level:
    """Amplifies, silences, and measures what comes out. Thread: the microphone's; the setters any."""

    def __init__(self, rate_hz: int, gain_db: float = 0.0) -> None:
        self._rate_hz = rate_hz
        self._gain = 10 ** (gain_db / 20)
        self._is_muted = False
        self.level_db = SILENT_DB
        self.peak_db = SILENT_DB

    def set_gain_db(self, gain_db: float) -> None:
        """Amplify from now on."""
        self._gain = 10 ** (gain_db / 20)

    def set_muted(self, is_muted: bool) -> None:
        """Silence from now on, or no longer."""
        self._is_muted = is_muted

    def apply(self, samples: Float32) -> Float32:
        """(n,) float32 in, the same amplified and kept in -1..1 out."""
        sound = np.zeros_like(samples) if self._is_muted else np.clip(samples * np.float32(self._gain), -1, 1)
        self._measure(sound)
        return sound

    def _measure(self, sound: Float32) -> None:
        if not len(sound):
            return
        passed_s = len(sound) / self._rate_hz
        rms_db = _db(math.sqrt(float(np.dot(sound, sound)) / len(sound)))
        peak_db = _db(float(np.abs(sound).max()))
        self.level_db = max(rms_db, self.level_db - LEVEL_FALL_DB_PER_S * passed_s)
        self.peak_db = max(peak_db, self.peak_db - PEAK_FALL_DB_PER_S * passed_s)


def _db(amplitude: float) -> float:
    return max(SILENT_DB, 20 * math.log10(amplitude)) if amplitude > 0 else SILENT_DB
