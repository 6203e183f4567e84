"""Automatic gain: a soft or a hot microphone is slowly brought to one level, by voiced speech alone.

The gain moves only while a voice sounds, so that pauses, breath and noise are never raised, and slowly, so that nobody
hears it breathe. What is still too loud is bent below a limit, sample by sample.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.live.mic.mic import BLOCK_SAMPLES

# Level of speech while it sounds, pauses left out; where the students' training voices lie.
TARGET_DB = -20.0
GAIN_RANGE_DB = (-18.0, 24.0)
RISE_DB_PER_S, FALL_DB_PER_S = 3.0, 12.0
# The room's noise is not to become louder than this.
MAX_NOISE_DB = -48.0
# Output stays below LIMIT; from KNEE on it is bent. 0.89 is -1 dBFS.
KNEE, LIMIT = 0.7, 0.89

QUIET_DB = -66.0
ABOVE_FLOOR_DB = 10.0
# The room's noise: found at once when it falls, followed so slowly when it rises that no sentence is taken for it.
FLOOR_START_DB, FLOOR_MIN_DB = -60.0, -80.0
FLOOR_FALL, FLOOR_RISE_DB = 0.2, 0.005
# The voice's level: a mean of some three seconds of it, which is twice that of speech; fewer at the beginning, or the
# gain would come after the first sentences.
LEVEL_SHARE = 0.003
N_LEARNING = 100
# A voice has a pitch, which is looked for at 4 kHz in the newest 40 ms, for so many blocks in a row.
PITCH_STEP = 4
PITCH_SAMPLES = 640
PITCH_LAGS = (10, 55)
PERIODICITY = 0.6
N_VOICED = 3
WHITEN = 0.9
# A hum has a pitch too, but not the ups and downs of speech: levels of the newest 300 ms, in dB from lowest to highest.
N_LEVELS = 30
STEADY_DB = 2.0
S_PER_BLOCK = BLOCK_SAMPLES / LIVE_RATE_HZ


class AutoGain:
    """A stage: sound in, the same at one level out, at once. Answers the same fed whole or in pieces. Thread: one."""

    lookahead_ms = 0.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin as if nothing had been heard."""
        self._recent: Float32 = np.zeros(PITCH_SAMPLES, np.float32)
        self._levels_db: deque[float] = deque(maxlen=N_LEVELS)
        self._n_voiced = 0
        self._floor_db = FLOOR_START_DB
        self._power = 0.0
        self._n_speech = 0
        self._gain_db = 0.0
        self._gain = 1.0
        # The gain of a sample follows from the blocks before its own, so that no sample has to wait.
        self._next_gain = 1.0
        self._block: Float32 = np.zeros(0, np.float32)

    @property
    def gain_db(self) -> float:
        """The gain in use."""
        return self._gain_db

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32 at 16 kHz in -1..1; give as many, below `LIMIT`."""
        pieces = []
        while len(samples):
            piece, samples = np.split(samples, [BLOCK_SAMPLES - len(self._block)])
            pieces.append(_bent(piece * self._ramp(len(self._block), len(piece))))
            self._block = np.concatenate((self._block, piece))
            if len(self._block) == BLOCK_SAMPLES:
                self._learn(self._block)
                self._block = np.zeros(0, np.float32)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _ramp(self, first: int, n: int) -> Float32:
        """Gain of n samples of the running block: a straight way from the gain before to the one wanted."""
        share = (np.arange(first, first + n, dtype=np.float32) + 1) / BLOCK_SAMPLES
        return np.asarray(self._gain + share * (self._next_gain - self._gain), np.float32)

    def _learn(self, block: Float32) -> None:
        self._gain = self._next_gain
        power = float(np.dot(block, block)) / BLOCK_SAMPLES
        level_db = 10 * math.log10(power + 1e-12)
        is_voiced = self._is_voiced(block, level_db)
        self._follow_floor(level_db)
        self._n_voiced = self._n_voiced + 1 if is_voiced else 0
        if self._n_voiced < N_VOICED:
            return
        self._n_speech += 1
        share = max(LEVEL_SHARE, 1 / self._n_speech)
        self._power += share * (power - self._power)
        self._steer()

    def _is_voiced(self, block: Float32, level_db: float) -> bool:
        self._recent = np.concatenate((self._recent[BLOCK_SAMPLES:], block))
        self._levels_db.append(level_db)
        if level_db < max(QUIET_DB, self._floor_db + ABOVE_FLOOR_DB) or len(self._levels_db) < N_LEVELS:
            return False
        is_steady = max(self._levels_db) - min(self._levels_db) < STEADY_DB
        return not is_steady and _periodicity(self._recent) > PERIODICITY

    def _steer(self) -> None:
        """Move the gain by one block's step towards the one that brings speech to the target."""
        wanted_db = TARGET_DB - 10 * math.log10(self._power + 1e-12)
        loudest_db = max(0.0, MAX_NOISE_DB - self._floor_db)
        wanted_db = min(max(wanted_db, GAIN_RANGE_DB[0]), GAIN_RANGE_DB[1], loudest_db)
        speed = 4 if self._n_speech < N_LEARNING else 1
        step_db = wanted_db - self._gain_db
        step_db = min(max(step_db, -speed * FALL_DB_PER_S * S_PER_BLOCK), speed * RISE_DB_PER_S * S_PER_BLOCK)
        self._gain_db += step_db
        self._next_gain = 10 ** (self._gain_db / 20)

    def _follow_floor(self, level_db: float) -> None:
        if level_db < self._floor_db:
            self._floor_db += FLOOR_FALL * (max(level_db, FLOOR_MIN_DB) - self._floor_db)
        else:
            self._floor_db += FLOOR_RISE_DB


def _bent(sound: Float32) -> Float32:
    """Sound below `LIMIT`, unchanged below `KNEE`."""
    size = np.abs(sound)
    if size.size == 0 or float(size.max()) <= KNEE:
        return sound
    room = LIMIT - KNEE
    bent = np.copysign(KNEE + room * np.tanh((size - KNEE) / room), sound)
    return np.where(size > KNEE, bent, sound).astype(np.float32)


def _periodicity(sound: Float32) -> float:
    """Highest normalized autocorrelation at the lags of a human pitch, 73 to 400 Hz; 1 for a pure tone."""
    low = sound.reshape(-1, PITCH_STEP).mean(axis=1)
    # Rumble is the most periodic noise of all: whiten before looking for a pitch.
    low = low[1:] - WHITEN * low[:-1]
    first, last = PITCH_LAGS
    head = low[: len(low) - last]
    windows = np.lib.stride_tricks.sliding_window_view(low, len(head))[first : last + 1]
    powers = np.square(windows).sum(axis=1) * np.dot(head, head)
    return float(np.max(windows @ head / np.sqrt(np.maximum(powers, 1e-24))))
