"""Sound between its samples, at any even spacing: what a change of rate by a few millionths needs (voice, recorder).

Every output sample is a scalar product with a Kaiser-windowed sinc (Smith, "Digital audio resampling", 2002). The
instant is rounded to a 4096th of a sample, which leaves a sine of 1 kHz at 48 kHz more than 80 dB above the error.
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
    """Reads sound of one rate at the instants of another. Thread: any; it has no state.

    Args:
        in_hz: rate of the sound.
        out_hz: rate at which it is read; what would fold back is taken away.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        ratio = min(1.0, out_hz / in_hz)
        self.half_samples = math.ceil(HALF_SAMPLES / ratio)
        self._taps = _windowed_sinc(self.half_samples, PASS_RATIO * ratio)

    def span(self, position: float, step: float, n: int) -> tuple[int, int]:
        """Number of the first sample that `read` needs, and of the first that it no longer needs."""
        last = position + (n - 1) * step
        return math.floor(position) - self.half_samples + 1, math.floor(last) + self.half_samples + 2

    def read(self, around: Float32, position: float, step: float, n: int) -> Float32:
        """Sound at `n` instants.

        Args:
            around: the samples of `span`.
            position: of the first instant, in samples.
            step: from one instant to the next, in samples.
            n: number of instants.

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
    """(phases, taps) around an instant that lies phase / phases after a sample."""
    offsets = np.arange(-half + 1, half + 1)[None] - np.arange(N_PHASES)[:, None] / N_PHASES
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(KAISER_BETA)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)
