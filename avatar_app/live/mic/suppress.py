"""Noise suppression by WebRTC, from the package pywebrtc-audio; no other module imports it.

The library processes blocks of 10 ms, releases the GIL meanwhile, and shifts sound by 6 ms. This module undoes the
shift: sample k out is sample k in, 6 ms later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, Float32

# Shift of the library at 16 kHz; a test measures it with a click.
SHIFT_SAMPLES = 96
# The library's levels: noise 12 and 18 dB softer. Higher ones damage consonants.
STRENGTHS = {"mild": 1, "strong": 2}


class NoiseSuppressor:
    """A stage: noisy sound in, cleaner sound out. Whole and piecewise feeding give the same. Thread: one.

    Args:
        strength: "mild" or "strong".

    Raises:
        MissingExtraError: pywebrtc-audio is not installed.
    """

    def __init__(self, strength: str) -> None:
        try:
            from pywebrtc_audio import NoiseSuppressor as WebRtc
        except ImportError as error:
            raise MissingExtraError(
                "Noise suppression needs the package pywebrtc-audio.",
                "Install the clean extra: .venv/bin/pip install -e '.[clean]'",
            ) from error
        self._webrtc: Any = WebRtc(sample_rate=LIVE_RATE_HZ, level=STRENGTHS[strength])
        self.reset()

    @property
    def lookahead_ms(self) -> float:
        """Delay of a sample, besides the wait for a complete block of 10 ms."""
        return 1000 * SHIFT_SAMPLES / LIVE_RATE_HZ

    def reset(self) -> None:
        """Return to the initial state."""
        self._webrtc.reset()
        self._rest: Float32 = np.zeros(0, np.float32)
        self._n_to_drop = SHIFT_SAMPLES

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32 at 16 kHz in -1..1; return the samples that are complete."""
        sound = np.concatenate((self._rest, samples))
        n_whole = len(sound) // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._rest = sound[n_whole:]
        if not n_whole:
            return np.zeros(0, np.float32)
        return self._unshifted(np.ascontiguousarray(sound[:n_whole], np.float32))

    def flush(self) -> Float32:
        """Return all samples still held back, before this stage is removed from a running stream."""
        n_due = len(self._rest) + SHIFT_SAMPLES - self._n_to_drop
        n_blocks = -(-(len(self._rest) + SHIFT_SAMPLES) // BLOCK_SAMPLES)
        padded = np.zeros(n_blocks * BLOCK_SAMPLES, np.float32)
        padded[: len(self._rest)] = self._rest
        sound = self._unshifted(padded)[:n_due]
        self.reset()
        return sound

    def _unshifted(self, blocks: Float32) -> Float32:
        clean = np.asarray(self._webrtc.process(blocks), np.float32)
        n_dropped = min(self._n_to_drop, len(clean))
        self._n_to_drop -= n_dropped
        return clean[n_dropped:]
