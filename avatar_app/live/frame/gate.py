"""Opens the mouth for speech only: silence, breath, key clicks and hum leave it closed.

Each block of 10 ms must pass three tests. Its level is above the tracked noise floor. The WebRTC voice activity
detector classifies it as speech. And the last 300 ms held voiced blocks: loud, with a pitch in the human range, which
breath and key clicks do not have. The first two react as fast as consonants; the third rejects other sounds.
"""

from __future__ import annotations

import numpy as np
import webrtcvad

from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock, Float32
from avatar_app.live.audio.voicing import NoiseFloor, PitchDetector, level_db

VAD_MODE = 3
QUIET_DB = -70.0

# The noise floor falls quickly and rises slowly.
FLOOR_START_DB = -55.0
FLOOR_RISE_DB = 0.02
FLOOR_MAX_DB = -30.0
ABOVE_FLOOR_DB = 9.0

# The detector is tuned for telephone levels, so a quiet microphone is amplified to them. The estimate of the voice's
# level rises quickly and falls slowly.
VOICE_START_DB = -40.0
VOICE_RISE = 0.3
VOICE_FALL = 0.02
TELEPHONE_DB = -22.0
GAIN_RANGE_DB = (-12.0, 30.0)

PERIODICITY = 0.5
# Consecutive blocks with pitch that count as a voice; the ringing of a key has fewer.
N_VOICED = 2
VOICE_MEMORY_BLOCKS = 30

ATTACK = 1 / 2
HOLD_BLOCKS = 7
RELEASE = 1 / 9


class SpeechGate:
    """Computes from sound how far the mouth may open. Thread: speech."""

    lookahead_ms = 0.0

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(VAD_MODE)
        self.reset()

    def reset(self) -> None:
        """Close, and forget the noise floor and the voice's level."""
        self._floor = NoiseFloor(FLOOR_START_DB, QUIET_DB, FLOOR_MAX_DB, FLOOR_RISE_DB)
        self._voice_db = VOICE_START_DB
        self._rest = np.zeros(0, np.float32)
        self._pitch = PitchDetector()
        self._n_voiced = 0
        self._since_voice = VOICE_MEMORY_BLOCKS
        self._hold = 0
        self._openness = 0.0

    @property
    def openness(self) -> float:
        """The newest openness, 0..1."""
        return self._openness

    def feed(self, block: AudioBlock) -> list[float]:
        """Take any number of samples.

        Returns:
            How far the mouth may open, 0..1, for every 10 ms that are complete.
        """
        if block.did_restart:
            self.reset()
        sound = np.concatenate((self._rest, block.samples))
        n_pieces = len(sound) // BLOCK_SAMPLES
        self._rest = sound[n_pieces * BLOCK_SAMPLES :]
        pieces = sound[: n_pieces * BLOCK_SAMPLES].reshape(n_pieces, BLOCK_SAMPLES)
        return [self._step(piece) for piece in pieces]

    def _step(self, samples: Float32) -> float:
        self._pitch.feed(samples)
        if self._is_speech(samples):
            self._hold = HOLD_BLOCKS
            self._openness = min(1.0, self._openness + ATTACK)
        elif self._hold:
            self._hold -= 1
        else:
            self._openness = max(0.0, self._openness - RELEASE)
        return self._openness

    def _is_speech(self, samples: Float32) -> bool:
        block_db = level_db(samples)
        is_loud = block_db > max(QUIET_DB, self._floor.level_db + ABOVE_FLOOR_DB)
        self._floor.update(block_db)
        is_voiced = is_loud and self._pitch.periodicity() > PERIODICITY
        if is_voiced:
            self._update_voice(block_db)
        self._n_voiced = self._n_voiced + 1 if is_voiced else 0
        self._since_voice = 0 if self._n_voiced >= N_VOICED else self._since_voice + 1
        if not is_loud or self._since_voice >= VOICE_MEMORY_BLOCKS:
            return False
        gain_db = min(max(TELEPHONE_DB - self._voice_db, GAIN_RANGE_DB[0]), GAIN_RANGE_DB[1])
        return bool(self._vad.is_speech(_pcm(samples * 10 ** (gain_db / 20)), LIVE_RATE_HZ))

    def _update_voice(self, block_db: float) -> None:
        share = VOICE_RISE if block_db > self._voice_db else VOICE_FALL
        self._voice_db += share * (block_db - self._voice_db)


def _pcm(samples: Float32) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
