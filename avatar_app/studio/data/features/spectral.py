"""Mel columns and MFCC; they need no further package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.data.features.feature import Rows, Samples, fitted, n_rows, padded
from avatar_app.studio.data.mel import melspectrogram

N_MFCC = 13
_DELTA_REACH = 2


@dataclass(frozen=True, slots=True)
class MelExtractor:
    """The mel columns of the live path, half a hop later, so that row k is at (k + 0.5) / 80 s."""

    rate_hz: float = MEL.rate_hz / MEL.hop_samples
    width: int = MEL.n_mels

    def rows(self, samples: Samples) -> Rows:
        """(T, 80) float32 in -4..4."""
        n = n_rows(len(samples), self.rate_hz)
        half = MEL.hop_samples // 2
        # Column k is centred on sample k * hop. After half a hop of zeros, column k + 1 is at (k + 0.5) * hop.
        columns = melspectrogram(padded(samples, half, n * MEL.hop_samples + MEL.hop_samples))
        return fitted(columns.T[1:], n)


@dataclass(frozen=True, slots=True)
class MfccExtractor:
    """Mel-frequency cepstral coefficients with first and second differences.

    Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition" (1980): the
    discrete cosine transform of the log mel bands. Differences by linear regression over five rows.
    """

    rate_hz: float = MEL.rate_hz / MEL.hop_samples
    width: int = 3 * N_MFCC

    def rows(self, samples: Samples) -> Rows:
        """(T, 39) float32: 13 coefficients, their first and their second differences."""
        mel = MelExtractor().rows(samples)
        if len(mel) == 0:
            return np.zeros((0, self.width), dtype=np.float32)
        cepstra = mel @ _cosines(MEL.n_mels, N_MFCC)
        first = _slope(cepstra)
        return np.asarray(np.concatenate([cepstra, first, _slope(first)], axis=1), dtype=np.float32)


def _cosines(n_bands: int, n_out: int) -> Rows:
    """(n_bands, n_out) orthonormal discrete cosine transform of type II."""
    k, i = np.arange(n_out)[None], np.arange(n_bands)[:, None]
    basis = np.cos(np.pi * (i + 0.5) * k / n_bands) * np.sqrt(2 / n_bands)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis, dtype=np.float32)


def _slope(rows: Rows) -> Rows:
    steps = np.arange(1, _DELTA_REACH + 1)
    held = np.pad(rows, ((_DELTA_REACH, _DELTA_REACH), (0, 0)), mode="edge")
    total = np.zeros_like(rows)
    for step in steps:
        later, earlier = (held[_DELTA_REACH + sign * step :][: len(rows)] for sign in (1, -1))
        total += step * (later - earlier)
    return np.asarray(total / (2 * np.square(steps).sum()), dtype=np.float32)
