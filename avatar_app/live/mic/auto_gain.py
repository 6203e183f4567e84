"""Automatic gain: a soft or a hot microphone is slowly brought to one level, by speech alone.

The gain moves only while somebody speaks, so that pauses and noise are never raised, and slowly, so that nobody hears
it breathe. What is still too loud is bent below a limit, sample by sample.
"""

from __future__ import annotations

import math

import numpy as np
import webrtcvad

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

SILENT_DB = -66.0
ABOVE_FLOOR_DB = 10.0
FLOOR_START_DB = -60.0
FLOOR_FALL, FLOOR_RISE_DB = 0.2, 0.03
# Speech's own level: a mean of about a second of it.
LEVEL_SHARE = 0.01
# The first words are believed quickly: gain would otherwise come after the first sentence.
N_LEARNING = 100
# The detector was made for telephone levels, and is to hear the voice at that.
TELEPHONE_DB = -22.0
VAD_MODE = 3
S_PER_BLOCK = BLOCK_SAMPLES / LIVE_RATE_HZ


class AutoGain:
    """A stage: sound in, the same at one level out, at once. Answers the same fed whole or in pieces. Thread: one."""

    lookahead_ms = 0.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin as if nothing had been heard."""
        self._vad = webrtcvad.Vad(VAD_MODE)
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
        is_loud = level_db > max(SILENT_DB, self._floor_db + ABOVE_FLOOR_DB)
        self._follow_floor(level_db)
        if not (is_loud and self._is_voice(block, level_db)):
            return
        self._n_speech += 1
        share = max(LEVEL_SHARE, 1 / self._n_speech)
        self._power += share * (power - self._power)
        self._steer()

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

    def _is_voice(self, block: Float32, level_db: float) -> bool:
        known_db = 10 * math.log10(self._power + 1e-12) if self._n_speech else level_db
        boost = 10 ** ((TELEPHONE_DB - known_db) / 20)
        pcm = (np.clip(block * boost, -1, 1) * 32767).astype("<i2").tobytes()
        return bool(self._vad.is_speech(pcm, LIVE_RATE_HZ))

    def _follow_floor(self, level_db: float) -> None:
        if level_db < self._floor_db:
            self._floor_db += FLOOR_FALL * (max(level_db, SILENT_DB) - self._floor_db)
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
