"""Resampling that keeps to the capture times of what it is fed: a sound card's clock differs from the program's.

Every output sample is read at a place that moves a little faster or slower than the nominal rate. Differences of clocks
are some hundred millionths, which no ear hears as pitch; nothing ever jumps, and nothing gathers.
"""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.record.video_file import AAC_RATE_HZ

# An error of place is worked off over this many seconds: with 200 ppm between the clocks 0.2 ms remain.
FOLLOW_S = 1.0
MAX_BEND_RATIO = 0.005


class Follower:
    """Mono sound at any rate in, at 48 kHz out, at its place. Thread: one at a time.

    Args:
        rate_hz: of the sound that comes in, nominally.
        place: of its first sample, in output samples.
        interpolator: for this rate, where there is one already: its table takes 40 ms to make.
    """

    def __init__(self, rate_hz: int, place: float, interpolator: Interpolator | None = None) -> None:
        self.rate_hz = rate_hz
        self._interpolator = interpolator or Interpolator(rate_hz, AAC_RATE_HZ)
        self._half = self._interpolator.half_samples
        self._buffer: Float32 = np.zeros(self._half, np.float32)
        self._nominal = rate_hz / AAC_RATE_HZ
        self._step = self._nominal
        self._next = math.ceil(place)
        # Where in the buffer the next output sample lies.
        self._at = self._half + (self._next - place) * self._nominal

    @property
    def start(self) -> int:
        """Place of the next output sample."""
        return self._next

    def expected(self) -> float:
        """Place at which the next input sample is expected, in output samples."""
        return self._next + (len(self._buffer) - self._at) / self._step

    def feed(self, samples: Float32, place: float) -> Float32:
        """What became known through new samples.

        Args:
            samples: (n,) float32.
            place: of the first of them by its capture time, in output samples.

        Returns:
            (m,) float32, the samples from the old `start` up to the new one.
        """
        bend = (place - self.expected()) / (FOLLOW_S * AAC_RATE_HZ)
        self._step = self._nominal / (1 + max(-MAX_BEND_RATIO, min(MAX_BEND_RATIO, bend)))
        self._buffer = np.concatenate((self._buffer, samples))
        return self._resample()

    def finish(self) -> Float32:
        """The rest, as if silence followed."""
        self._buffer = np.concatenate((self._buffer, np.zeros(self._half + 1, np.float32)))
        return self._resample()

    def _resample(self) -> Float32:
        # As many as need no sample that is not there yet.
        n = max(0, math.ceil((len(self._buffer) - self._half - 1 - self._at) / self._step))
        if n == 0:
            return np.zeros(0, np.float32)
        first, end = self._interpolator.span(self._at, self._step, n)
        out = self._interpolator.read(self._buffer[first:end], self._at, self._step, n)
        self._at += n * self._step
        self._next += n
        n_done = max(0, math.floor(self._at) - self._half)
        self._buffer, self._at = self._buffer[n_done:], self._at - n_done
        return out
