"""Opens the mouth for speech only: silence, breath, keys and hum leave it shut.

Three witnesses per block of 10 ms. Energy stands out from the room's noise, which is followed. The WebRTC detector
takes it for speech. And lately there was a voice: a pitch that a throat can have, loud enough, which neither breath
nor keys have. The first two follow fast consonants; the third keeps other sounds out.
"""

from __future__ import annotations

import numpy as np
import webrtcvad

from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock, Float32
from avatar_app.live.audio.voicing import NoiseFloor, PitchDetector, level_db

VAD_MODE = 3
QUIET_DB = -70.0

# The room's noise: found at once when it falls, followed slowly when it rises.
FLOOR_START_DB = -55.0
FLOOR_RISE_DB = 0.02
FLOOR_MAX_DB = -30.0
ABOVE_FLOOR_DB = 9.0

# The detector was made for telephone levels: a soft microphone is brought there. The voice's level is not known at
# first; it is believed quickly when it rises, slowly when it falls.
VOICE_START_DB = -40.0
VOICE_RISE = 0.3
VOICE_FALL = 0.02
TELEPHONE_DB = -22.0
GAIN_RANGE_DB = (-12.0, 30.0)

PERIODICITY = 0.5
# Blocks in a row with pitch that make a voice; a key's ring has fewer.
N_VOICED = 2
VOICE_MEMORY_BLOCKS = 30

ATTACK = 1 / 2
HOLD_BLOCKS = 7
RELEASE = 1 / 9


class SpeechGate:
    """A stage: sound in, openness out. Thread: speech."""

    lookahead_ms = 0.0

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(VAD_MODE)
        self.reset()

    def reset(self) -> None:
        """Forget all sound: shut, and the room unknown."""
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
        """Hear any number of samples.

        Returns:
            How far the mouth may open, 0..1, for every 10 ms that are complete now.
        """
        if block.did_restart:
            self.reset()
        sound = np.concatenate((self._rest, block.samples))
        n_pieces = len(sound) // BLOCK_SAMPLES
        self._rest = sound[n_pieces * BLOCK_SAMPLES :]
        pieces = sound[: n_pieces * BLOCK_SAMPLES].reshape(n_pieces, BLOCK_SAMPLES)
        return [self._hear(piece) for piece in pieces]

    def _hear(self, samples: Float32) -> float:
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
            self._follow_voice(block_db)
        self._n_voiced = self._n_voiced + 1 if is_voiced else 0
        self._since_voice = 0 if self._n_voiced >= N_VOICED else self._since_voice + 1
        if not is_loud or self._since_voice >= VOICE_MEMORY_BLOCKS:
            return False
        gain_db = min(max(TELEPHONE_DB - self._voice_db, GAIN_RANGE_DB[0]), GAIN_RANGE_DB[1])
        return bool(self._vad.is_speech(_pcm(samples * 10 ** (gain_db / 20)), LIVE_RATE_HZ))

    def _follow_voice(self, block_db: float) -> None:
        share = VOICE_RISE if block_db > self._voice_db else VOICE_FALL
        self._voice_db += share * (block_db - self._voice_db)


def _pcm(samples: Float32) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
