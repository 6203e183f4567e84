"""Resampling that keeps to the capture times of what it is fed: a sound card's clock differs from the program's.

Every output sample is a scalar product with a windowed sinc (Smith, "Digital audio resampling", 2002) at a place that
moves a little faster or slower than the nominal rate. Differences of clocks are some hundred millionths, which no ear
hears as pitch; nothing ever jumps, and nothing gathers.
"""

from __future__ import annotations

import math

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.record.video_file import AAC_RATE_HZ

HALF_TAPS = 16
CUTOFF = 0.95
KAISER_BETA = 7.0
# A multiple of 160 and 3: at 8, 16, 32, 44.1 and 48 kHz every place is exact when the clocks agree.
N_PHASES = 960
# An error of place is worked off over this many seconds: with 200 ppm between the clocks 0.2 ms remain.
FOLLOW_S = 1.0
MAX_BEND_RATIO = 0.005


class Follower:
    """Mono sound at any rate in, at 48 kHz out, at its place. Thread: one at a time.

    Args:
        rate_hz: of the sound that comes in, nominally.
        place: of its first sample, in output samples.
    """

    def __init__(self, rate_hz: int, place: float) -> None:
        self.rate_hz = rate_hz
        self._half = math.ceil(HALF_TAPS * max(1.0, rate_hz / AAC_RATE_HZ))
        self._table = _sinc_table(self._half, min(1.0, AAC_RATE_HZ / rate_hz))
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
        self._buffer = np.concatenate((self._buffer, np.zeros(self._half, np.float32)))
        return self._resample()

    def _resample(self) -> Float32:
        last = len(self._buffer) - self._half - 1
        n = max(0, math.floor((last - self._at) / self._step) + 1)
        places = np.rint((self._at + self._step * np.arange(n)) * N_PHASES).astype(np.int64)
        index, phase = np.divmod(places, N_PHASES)
        # Rounding up to the next whole place at the very end would ask for a sample that is not there yet.
        n = int(np.searchsorted(index, last, side="right"))
        windows = np.lib.stride_tricks.sliding_window_view(self._buffer, 2 * self._half)
        out = np.einsum("nt,nt->n", windows[index[:n] - self._half + 1], self._table[phase[:n]])
        self._at += n * self._step
        self._next += n
        n_done = max(0, math.floor(self._at) - self._half)
        self._buffer, self._at = self._buffer[n_done:], self._at - n_done
        return np.asarray(out, np.float32)


def _sinc_table(half: int, band: float) -> Float32:
    """(N_PHASES, 2 * half) float32: row p weighs the samples around a place p / N_PHASES after one of them."""
    taps = np.arange(-half + 1, half + 1)
    distance = taps[None, :] - np.arange(N_PHASES)[:, None] / N_PHASES
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2))) / np.i0(KAISER_BETA)
    table = np.sinc(CUTOFF * band * distance) * window
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float32)
