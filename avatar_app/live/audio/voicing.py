"""Level, noise floor and voicing of sound at 16 kHz, in blocks of 10 ms: shared by the gate and the automatic gain."""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32

# The pitch is searched below 2 kHz, in the newest 40 ms, at lags of 2.5 to 13.75 ms.
PITCH_RATE_HZ = 4_000
PITCH_STEP = LIVE_RATE_HZ // PITCH_RATE_HZ
PITCH_SAMPLES = 640
PITCH_LAGS = (10, 55)
WHITEN = 0.9
# The floor approaches a lower level by this share of the difference in each block.
FLOOR_FALL = 0.2


class NoiseFloor:
    """Follows the noise of the room: quickly down, slowly up. Thread: one.

    Args:
        start_db: the first estimate.
        min_db: the floor never falls below it.
        max_db: the floor never rises above it.
        rise_db: rise in each block whose level is above the floor.
    """

    def __init__(self, start_db: float, min_db: float, max_db: float, rise_db: float) -> None:
        self._min_db, self._max_db, self._rise_db = min_db, max_db, rise_db
        self.level_db = start_db

    def update(self, level_db: float) -> None:
        """Take the level of a block."""
        if level_db < self.level_db:
            self.level_db += FLOOR_FALL * (max(level_db, self._min_db) - self.level_db)
        else:
            self.level_db = min(self._max_db, self.level_db + self._rise_db)


class PitchDetector:
    """Measures how periodic the newest 40 ms are. Thread: one."""

    def __init__(self) -> None:
        self._recent: Float32 = np.zeros(PITCH_SAMPLES, np.float32)

    def feed(self, samples: Float32) -> None:
        """Take (n,) float32 at 16 kHz."""
        self._recent = np.concatenate((self._recent, samples))[-PITCH_SAMPLES:]

    def periodicity(self) -> float:
        """0 for no pitch, 1 for a pure tone, see `periodicity`."""
        return periodicity(self._recent)


def level_db(samples: Float32) -> float:
    """Mean power of (n,) float32, in dB of full scale; -120 for silence."""
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return 10 * math.log10(power + 1e-12)


def periodicity(samples: Float32) -> float:
    """Highest normalized autocorrelation at the lags of a human pitch, 73 to 400 Hz.

    Args:
        samples: (640,) float32 at 16 kHz.

    Returns:
        About 0 for noise, 1 for a pure tone; 0 for silence.
    """
    low = samples.reshape(-1, PITCH_STEP).mean(axis=1)
    # Rumble below speech is strongly periodic: whitening reduces it.
    low = low[1:] - WHITEN * low[:-1]
    first, last = PITCH_LAGS
    n = len(low) - last
    powers = np.concatenate(([0.0], np.cumsum(low * low, dtype=np.float64)))
    head = powers[n]
    if head <= 0:
        return 0.0
    products = np.correlate(low, low[:n], mode="valid")[first:]
    tails = powers[n + first : n + last + 1] - powers[first : last + 1]
    return float(np.max(products / np.sqrt(head * np.maximum(tails, 1e-12))))
