"""Resampling with a delay of two milliseconds.

soxr, which this program uses for whole files, works on transform blocks: at 48 kHz it delays sound by 21 ms on average
and 37 ms at most, in bursts (`packaging/decisions/0004`). Here every output sample is a scalar product with a windowed
sinc (Smith, "Digital audio resampling", 2002), available as soon as the samples around it are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32

# The mel bands end at 7.6 kHz: the passband reaches that far, and aliases stay 70 dB down.
PASS_RATIO = 0.93
STOP_DB = 70.0
# More phases than this are rounded to the nearest: an error of a thousandth of a sample.
MAX_PHASES = 1024


class Resampler:
    """Mono sound at any rate in, at 16 kHz out. Whole and piecewise feeding give the same. Thread: one.

    Args:
        rate_hz: input rate, 4 kHz or more.
    """

    def __init__(self, rate_hz: int) -> None:
        divisor = math.gcd(rate_hz, LIVE_RATE_HZ)
        self._up, self._down = LIVE_RATE_HZ // divisor, rate_hz // divisor
        self._n_phases = min(self._up, MAX_PHASES)
        self._taps = _windowed_sinc(rate_hz, self._n_phases)
        self._half = int(self._taps.shape[1]) // 2
        self.reset()

    def reset(self) -> None:
        """Return to the initial state: silence before the first sample."""
        self._recent: Float32 = np.zeros(self._half, np.float32)
        # Index of the first input sample in `_recent`, and of the next output sample.
        self._first = -self._half
        self._next = 0

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32; return the output samples that are complete. Sample k is the instant k / 16 kHz."""
        if self._up == self._down:
            return samples
        self._recent = np.concatenate((self._recent, samples))
        newest = self._first + len(self._recent) - 1 - self._half
        # Output n lies at input sample n * down / up: complete when that is no later than `newest`.
        n_complete = newest * self._up // self._down + 1 if newest >= 0 else self._next
        numbers = np.arange(self._next, max(n_complete, self._next), dtype=np.int64)
        if not len(numbers):
            return np.zeros(0, np.float32)
        sound = self._at(numbers)
        self._next = int(numbers[-1]) + 1
        self._drop_old()
        return sound

    def _at(self, numbers: NDArray[np.int64]) -> Float32:
        """The output samples with these indices."""
        whole, part = np.divmod(numbers * self._down, self._up)
        phases = part * self._n_phases // self._up
        starts = whole - self._first - self._half + 1
        around = np.lib.stride_tricks.sliding_window_view(self._recent, self._taps.shape[1])[starts]
        sound: Float32 = np.einsum("nt,nt->n", around, self._taps[phases]).astype(np.float32)
        return sound

    def _drop_old(self) -> None:
        """Drop input samples that no later output sample needs."""
        n_old = self._next * self._down // self._up - self._half + 1 - self._first
        if n_old > 0:
            self._recent = self._recent[n_old:]
            self._first += n_old


def _windowed_sinc(rate_hz: int, n_phases: int) -> Float32:
    """(phases, taps): the Kaiser-windowed sinc for an output that lies phase / phases after an input sample."""
    nyquist = min(rate_hz, LIVE_RATE_HZ) / 2
    width = 2 * (1 - PASS_RATIO) * nyquist / rate_hz
    half = math.ceil((STOP_DB - 8) / (2.285 * 2 * math.pi * width) / 2) + 1
    beta = 0.1102 * (STOP_DB - 8.7)
    offsets = np.arange(-half + 1, half + 1)[None] - np.arange(n_phases)[:, None] / n_phases
    cutoff = 2 * nyquist / rate_hz
    window = np.i0(beta * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)
