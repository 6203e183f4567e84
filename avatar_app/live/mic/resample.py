"""Resampling that waits for two milliseconds of sound, not for forty.

soxr, which is used for whole files, works on blocks of a transform: at 48 kHz it withholds 21 ms on average and 37 ms
at worst, in bursts (`packaging/decisions/0004`). Here every output sample is a scalar product with a windowed sinc
(Smith, "Digital audio resampling", 2002), so it is there as soon as the sound around it is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32

# The mel bands end at 7.6 kHz: up to there nothing may be lost, and what folds back from above must stay 70 dB down.
PASS_RATIO = 0.93
STOP_DB = 70.0
# Rates whose ratio is not simple are taken as the nearest of so many phases: an error of a thousandth of a sample.
MAX_PHASES = 1024


class Resampler:
    """Mono sound at any rate in, at 16 kHz out. Answers the same fed whole or in pieces. Thread: one.

    Args:
        rate_hz: of the sound that comes in, 4 kHz or more.
    """

    def __init__(self, rate_hz: int) -> None:
        divisor = math.gcd(rate_hz, LIVE_RATE_HZ)
        self._up, self._down = LIVE_RATE_HZ // divisor, rate_hz // divisor
        self._n_phases = min(self._up, MAX_PHASES)
        self._taps = _windowed_sinc(rate_hz, self._n_phases)
        self._half = int(self._taps.shape[1]) // 2
        self.reset()

    @property
    def withheld_samples(self) -> int:
        """Input samples that an output sample waits for."""
        return self._half

    def reset(self) -> None:
        """Begin as if silence had been heard for ever."""
        self._heard: Float32 = np.zeros(self._half, np.float32)
        # Number of the input sample that `_heard` begins with, and of the next output sample.
        self._first = -self._half
        self._next = 0

    def feed(self, samples: Float32) -> Float32:
        """Take (n,) float32; give the output samples that became known, sample k being the instant k / 16 kHz."""
        if self._up == self._down:
            return samples
        self._heard = np.concatenate((self._heard, samples))
        newest = self._first + len(self._heard) - 1 - self._half
        # Output n lies at input sample n * down / up: known when that is no later than `newest`.
        n_known = newest * self._up // self._down + 1 if newest >= 0 else self._next
        numbers = np.arange(self._next, max(n_known, self._next), dtype=np.int64)
        if not len(numbers):
            return np.zeros(0, np.float32)
        sound = self._at(numbers)
        self._next = int(numbers[-1]) + 1
        self._forget()
        return sound

    def _at(self, numbers: NDArray[np.int64]) -> Float32:
        """Output samples of these numbers."""
        whole, part = np.divmod(numbers * self._down, self._up)
        phases = part * self._n_phases // self._up
        starts = whole - self._first - self._half + 1
        around = np.lib.stride_tricks.sliding_window_view(self._heard, self._taps.shape[1])[starts]
        sound: Float32 = np.einsum("nt,nt->n", around, self._taps[phases]).astype(np.float32)
        return sound

    def _forget(self) -> None:
        """Drop what no later output sample needs."""
        n_old = self._next * self._down // self._up - self._half + 1 - self._first
        if n_old > 0:
            self._heard = self._heard[n_old:]
            self._first += n_old


def _windowed_sinc(rate_hz: int, n_phases: int) -> Float32:
    """(phases, taps): the Kaiser-windowed sinc around an instant that lies phase / phases after an input sample."""
    nyquist = min(rate_hz, LIVE_RATE_HZ) / 2
    width = 2 * (1 - PASS_RATIO) * nyquist / rate_hz
    half = math.ceil((STOP_DB - 8) / (2.285 * 2 * math.pi * width) / 2) + 1
    beta = 0.1102 * (STOP_DB - 8.7)
    offsets = np.arange(-half + 1, half + 1)[None] - np.arange(n_phases)[:, None] / n_phases
    cutoff = 2 * nyquist / rate_hz
    window = np.i0(beta * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)
