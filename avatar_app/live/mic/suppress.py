"""Noise suppression: WebRTC's, as browsers run it in every call, from pywebrtc-audio: the only module that knows it.

It works on blocks of 10 ms, lets go of the interpreter meanwhile, and its transforms shift sound by 6 ms. What comes
out here is in its place again: sample k out is sample k in, and merely comes later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.live.mic.mic import BLOCK_SAMPLES

# How far the library shifts sound at 16 kHz; a test finds it again by a click.
SHIFT_SAMPLES = 96
# The library's own levels: noise 12 and 18 dB softer. Beyond that it eats consonants.
STRENGTHS = {"mild": 1, "strong": 2}


class NoiseSuppressor:
    """A stage: noisy sound in, cleaner sound out. Answers the same fed whole or in pieces. Thread: one.

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
        """Sound beyond an instant that its answer waits for; blocks of 10 ms come on top."""
        return 1000 * SHIFT_SAMPLES / LIVE_RATE_HZ

    def reset(self) -> None:
        """Begin as if nothing had been heard."""
        self._webrtc.reset()
        self._rest: Float32 = np.zeros(0, np.float32)
        self._n_to_drop = SHIFT_SAMPLES

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32 at 16 kHz in -1..1; give the samples that are known now."""
        sound = np.concatenate((self._rest, samples))
        n_whole = len(sound) // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._rest = sound[n_whole:]
        if not n_whole:
            return np.zeros(0, np.float32)
        return self._in_place(np.ascontiguousarray(sound[:n_whole], np.float32))

    def flush(self) -> Float32:
        """Give what is held back, as when the stage is taken out of a running stream."""
        n_due = len(self._rest) + SHIFT_SAMPLES - self._n_to_drop
        n_blocks = -(-(len(self._rest) + SHIFT_SAMPLES) // BLOCK_SAMPLES)
        padded = np.zeros(n_blocks * BLOCK_SAMPLES, np.float32)
        padded[: len(self._rest)] = self._rest
        sound = self._in_place(padded)[:n_due]
        self.reset()
        return sound

    def _in_place(self, blocks: Float32) -> Float32:
        clean = np.asarray(self._webrtc.process(blocks), np.float32)
        n_dropped = min(self._n_to_drop, len(clean))
        self._n_to_drop -= n_dropped
        return clean[n_dropped:]
