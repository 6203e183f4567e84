"""What a speech feature is: rows over time, a rate, and an extractor."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.mel_spec import MEL

Samples = NDArray[np.float32]
Rows = NDArray[np.float32]


class Features(NamedTuple):
    """A feature of a sound.

    Attributes:
        values: (T, C) float32; row k describes the instant (k + 0.5) / rate_hz seconds.
        rate_hz: rows a second.
    """

    values: Rows
    rate_hz: float


class Extractor(Protocol):
    """Computes one feature."""

    @property
    def rate_hz(self) -> float:
        """Rows a second."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def rows(self, samples: Samples) -> Rows:
        """The rows of a sound.

        Args:
            samples: (n,) float32 in -1..1 at 16 kHz.

        Returns:
            (`n_rows`, width) float32; row k at (k + 0.5) / rate_hz.
        """
        ...


def n_rows(n_samples: int, rate_hz: float) -> int:
    """Rows that cover a sound of `n_samples` samples at 16 kHz."""
    return int(np.ceil(n_samples * rate_hz / MEL.rate_hz))


def padded(samples: Samples, n_before: int, n_all: int) -> Samples:
    """The sound with `n_before` zeros before it, then zeros or a cut up to `n_all` samples."""
    out = np.zeros(n_all, dtype=np.float32)
    inside = samples[: max(0, n_all - n_before)]
    out[n_before : n_before + len(inside)] = inside
    return out


def fitted(rows: Rows, n: int) -> Rows:
    """Exactly `n` rows: the last row repeats, or rows at the end are dropped."""
    if len(rows) == 0:
        return np.zeros((n, rows.shape[1]), dtype=np.float32)
    return np.ascontiguousarray(rows[np.minimum(np.arange(n), len(rows) - 1)], dtype=np.float32)


def at_rate(features: Features, rate_hz: float, n: int) -> Rows:
    """Resample to another rate by linear interpolation.

    Args:
        features: of a sound.
        rate_hz: wanted rows a second.
        n: wanted rows.

    Returns:
        (n, C) float32; row k at (k + 0.5) / rate_hz, the end rows held.
    """
    values = features.values
    at = (np.arange(n) + 0.5) / rate_hz * features.rate_hz - 0.5
    at = np.clip(at, 0.0, len(values) - 1.0)
    lower = np.minimum(at.astype(np.int64), max(0, len(values) - 2))
    share = (at - lower).astype(np.float32)[:, None]
    upper = np.minimum(lower + 1, len(values) - 1)
    return np.asarray(values[lower] * (1 - share) + values[upper] * share, dtype=np.float32)
