"""Resampling that follows capture times: the clock of a sound card drifts against the clock of the program.

The read position advances a little faster or slower than the nominal rate. Clocks differ by some 100 ppm, which is
inaudible as pitch; the position never jumps, and the error does not accumulate.
"""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.record.video_file import AAC_RATE_HZ

# Time constant of the correction: at 200 ppm between the clocks, an error of 0.2 ms remains.
CORRECTION_S = 1.0
MAX_CORRECTION_RATIO = 0.005


class DriftResampler:
    """Mono sound at any rate in, at 48 kHz out, aligned to capture times. Thread: one at a time.

    Args:
        rate_hz: nominal rate of the input.
        position: of its first sample, in output samples.
        interpolator: for this rate, if there is one already: its table takes 40 ms to compute.
    """

    def __init__(self, rate_hz: int, position: float, interpolator: Interpolator | None = None) -> None:
        self.rate_hz = rate_hz
        self._interpolator = interpolator or Interpolator(rate_hz, AAC_RATE_HZ)
        self._half = self._interpolator.half_samples
        self._buffer: Float32 = np.zeros(self._half, np.float32)
        self._nominal = rate_hz / AAC_RATE_HZ
        self._step = self._nominal
        self._next = math.ceil(position)
        # Read position in the buffer.
        self._at = self._half + (self._next - position) * self._nominal

    @property
    def next_position(self) -> int:
        """Position of the next output sample."""
        return self._next

    def expected(self) -> float:
        """Position at which the next input sample is expected, in output samples."""
        return self._next + (len(self._buffer) - self._at) / self._step

    def feed(self, samples: Float32, position: float) -> Float32:
        """Resample what new samples make available.

        Args:
            samples: (n,) float32.
            position: of the first of them by its capture time, in output samples.

        Returns:
            (m,) float32, the samples from the old `next_position` up to the new one.
        """
        correction = (position - self.expected()) / (CORRECTION_S * AAC_RATE_HZ)
        limited = max(-MAX_CORRECTION_RATIO, min(MAX_CORRECTION_RATIO, correction))
        self._step = self._nominal / (1 + limited)
        self._buffer = np.concatenate((self._buffer, samples))
        return self._resample()

    def finish(self) -> Float32:
        """The remaining samples, as if silence followed."""
        self._buffer = np.concatenate((self._buffer, np.zeros(self._half + 1, np.float32)))
        return self._resample()

    def _resample(self) -> Float32:
        # As many output samples as the buffer has all input samples for.
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
