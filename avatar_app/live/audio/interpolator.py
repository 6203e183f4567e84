"""Fractional resampling at any even spacing, for rate changes of a few millionths (voice output, recorder).

Every output sample is a scalar product with a Kaiser-windowed sinc (Smith, "Digital audio resampling", 2002). The
position is rounded to 1/4096 of a sample: the error of a 1 kHz sine at 48 kHz is more than 80 dB below it.
"""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32

N_PHASES = 4096
HALF_SAMPLES = 24
KAISER_BETA = 8.0
PASS_RATIO = 0.95


class Interpolator:
    """Reads sound of one rate at the sample times of another. Thread: any; it has no state.

    Args:
        in_hz: rate of the sound.
        out_hz: rate at which it is read; frequencies that would alias are removed.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        ratio = min(1.0, out_hz / in_hz)
        self.half_samples = math.ceil(HALF_SAMPLES / ratio)
        self._taps = _windowed_sinc(self.half_samples, PASS_RATIO * ratio)

    def span(self, position: float, step: float, n: int) -> tuple[int, int]:
        """First sample that `read` needs, and the one after the last."""
        last = position + (n - 1) * step
        return math.floor(position) - self.half_samples + 1, math.floor(last) + self.half_samples + 2

    def read(self, around: Float32, position: float, step: float, n: int) -> Float32:
        """Read `n` samples.

        Args:
            around: the samples of `span`.
            position: of the first output sample, in input samples.
            step: from one output sample to the next, in input samples.
            n: number of output samples.

        Returns:
            (n,) float32.
        """
        first, _ = self.span(position, step, n)
        phases = np.rint((position - first + step * np.arange(n)) * N_PHASES).astype(np.int64)
        whole, part = np.divmod(phases, N_PHASES)
        windows = np.lib.stride_tricks.sliding_window_view(around, self._taps.shape[1])
        sound: Float32 = np.einsum("nt,nt->n", windows[whole - self.half_samples + 1], self._taps[part])
        return sound


def _windowed_sinc(half: int, cutoff: float) -> Float32:
    """(phases, taps): the filter for a position that lies phase / phases after an input sample."""
    offsets = np.arange(-half + 1, half + 1)[None] - np.arange(N_PHASES)[:, None] / N_PHASES
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(KAISER_BETA)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)
