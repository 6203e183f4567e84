"""Gain, mute and the level meter."""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.mic.mic import SILENT_DB

# The meter follows a rise immediately and falls at these speeds, so that it is readable.
LEVEL_FALL_DB_PER_S = 60.0
PEAK_FALL_DB_PER_S = 12.0


class MicControls:
    """Gain and mute, read by the open microphone for each piece of sound.

    They outlive every microphone: a newly opened one applies them from its first sample. Thread: any.

    Attributes:
        gain_db: gain.
        is_muted: replace the sound by silence.
    """

    def __init__(self, gain_db: float = 0.0, *, is_muted: bool = False) -> None:
        self.gain_db = gain_db
        self.is_muted = is_muted


class Level:
    """Applies gain and mute, and measures the result. Thread: the microphone's."""

    def __init__(self, rate_hz: int, controls: MicControls | None = None) -> None:
        self._rate_hz = rate_hz
        self._controls = controls or MicControls()
        self.level_db = SILENT_DB
        self.peak_db = SILENT_DB

    def apply(self, samples: Float32) -> Float32:
        """Amplify (n,) float32 and clip it to -1..1."""
        gain = np.float32(10 ** (self._controls.gain_db / 20))
        sound = np.zeros_like(samples) if self._controls.is_muted else np.clip(samples * gain, -1, 1)
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
