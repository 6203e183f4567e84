"""Automatic gain: brings the voiced speech of a soft or loud microphone slowly to one level.

The gain changes only during voiced speech, so pauses, breath and noise are never raised, and slowly, so the change is
inaudible. A soft limiter keeps every sample below the limit.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, Float32
from avatar_app.live.audio.voicing import NoiseFloor, PitchDetector, level_db

# Level of speech without its pauses; the students' training voices have the same level.
TARGET_DB = -20.0
GAIN_RANGE_DB = (-18.0, 24.0)
RISE_DB_PER_S, FALL_DB_PER_S = 3.0, 12.0
# The gain never raises the room's noise above this.
MAX_NOISE_DB = -48.0
# The limiter compresses sound above KNEE; its output stays below LIMIT, which is -1 dBFS.
KNEE, LIMIT = 0.7, 0.89

QUIET_DB = -66.0
ABOVE_FLOOR_DB = 10.0
# The floor rises so slowly that it never reaches the level of a sentence.
FLOOR_START_DB, FLOOR_MIN_DB, FLOOR_RISE_DB = -60.0, -80.0, 0.005
# The speech level is a mean over some three seconds of voiced speech, and over all of it before that.
LEVEL_SHARE = 0.003
# Voiced blocks during which the gain changes faster.
N_LEARNING = 100
PERIODICITY = 0.6
# Periodic blocks in a row that make voiced speech.
N_VOICED = 3
# Hum is periodic too, but steady: its levels over 300 ms differ by less than this.
N_LEVELS = 30
STEADY_DB = 2.0
S_PER_BLOCK = BLOCK_SAMPLES / LIVE_RATE_HZ


class AutoGain:
    """A stage: sound in, the same sound at one level out, without delay. Whole and piecewise feeding give the same.

    Thread: one.
    """

    lookahead_ms = 0.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the initial state."""
        self._pitch = PitchDetector()
        self._floor = NoiseFloor(FLOOR_START_DB, FLOOR_MIN_DB, math.inf, FLOOR_RISE_DB)
        self._levels_db: deque[float] = deque(maxlen=N_LEVELS)
        self._n_voiced = 0
        self._speech_power = 0.0
        self._n_speech = 0
        self._gain_db = 0.0
        self._gain = 1.0
        # The gain of a block follows from the blocks before it, so that no sample is delayed.
        self._next_gain = 1.0
        self._block: Float32 = np.zeros(0, np.float32)

    @property
    def gain_db(self) -> float:
        """The current gain."""
        return self._gain_db

    def feed(self, samples: Float32) -> Float32:
        """Amplify.

        Args:
            samples: (n,) float32 at 16 kHz in -1..1.

        Returns:
            (n,) float32, below `LIMIT`.
        """
        pieces = []
        while len(samples):
            piece, samples = np.split(samples, [BLOCK_SAMPLES - len(self._block)])
            pieces.append(_limited(piece * self._ramp(len(self._block), len(piece))))
            self._block = np.concatenate((self._block, piece))
            if len(self._block) == BLOCK_SAMPLES:
                self._update(self._block)
                self._block = np.zeros(0, np.float32)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _ramp(self, first: int, n: int) -> Float32:
        """Gain of n samples of the current block: linear from the previous gain to the next."""
        share = (np.arange(first, first + n, dtype=np.float32) + 1) / BLOCK_SAMPLES
        return np.asarray(self._gain + share * (self._next_gain - self._gain), np.float32)

    def _update(self, block: Float32) -> None:
        """Measure a complete block, and move the gain if it is voiced speech."""
        self._gain = self._next_gain
        block_db = level_db(block)
        is_voiced = self._is_voiced(block, block_db)
        self._floor.update(block_db)
        self._n_voiced = self._n_voiced + 1 if is_voiced else 0
        if self._n_voiced < N_VOICED:
            return
        self._n_speech += 1
        power = float(np.dot(block, block)) / BLOCK_SAMPLES
        share = max(LEVEL_SHARE, 1 / self._n_speech)
        self._speech_power += share * (power - self._speech_power)
        self._move_gain()

    def _is_voiced(self, block: Float32, block_db: float) -> bool:
        self._pitch.feed(block)
        self._levels_db.append(block_db)
        if block_db < max(QUIET_DB, self._floor.level_db + ABOVE_FLOOR_DB) or len(self._levels_db) < N_LEVELS:
            return False
        is_steady = max(self._levels_db) - min(self._levels_db) < STEADY_DB
        return not is_steady and self._pitch.periodicity() > PERIODICITY

    def _move_gain(self) -> None:
        """Move the gain by one block's step towards the one that brings speech to the target."""
        wanted_db = TARGET_DB - 10 * math.log10(self._speech_power + 1e-12)
        max_gain_db = max(0.0, MAX_NOISE_DB - self._floor.level_db)
        wanted_db = min(max(wanted_db, GAIN_RANGE_DB[0]), GAIN_RANGE_DB[1], max_gain_db)
        speed = 4 if self._n_speech < N_LEARNING else 1
        step_db = wanted_db - self._gain_db
        step_db = min(max(step_db, -speed * FALL_DB_PER_S * S_PER_BLOCK), speed * RISE_DB_PER_S * S_PER_BLOCK)
        self._gain_db += step_db
        self._next_gain = 10 ** (self._gain_db / 20)


def _limited(sound: Float32) -> Float32:
    """Sound below `LIMIT`, unchanged below `KNEE`."""
    size = np.abs(sound)
    if size.size == 0 or float(size.max()) <= KNEE:
        return sound
    room = LIMIT - KNEE
    compressed = np.copysign(KNEE + room * np.tanh((size - KNEE) / room), sound)
    return np.where(size > KNEE, compressed, sound).astype(np.float32)
