"""Inputs of the offline speech teacher: several speech features side by side, a row per 20 ms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.studio.data import features
from avatar_app.studio.data.features.feature import n_rows

RATE_HZ = 50
# Log-probabilities below this carry no further information.
_LEAST_LOG = -8.0
WANTED = ("mel", "phonemes", "embedding")


def usable_features() -> tuple[str, ...]:
    """The features of `WANTED` whose packages are installed; mel always is."""
    return tuple(name for name in WANTED if features.is_available(name))


def teacher_inputs(samples: NDArray[np.float32], names: Sequence[str], cache: Path | None) -> NDArray[np.float32]:
    """The features of a sound.

    Args:
        samples: (n,) float32 at 16 kHz.
        names: of the features.
        cache: folder of computed features; None keeps nothing.

    Returns:
        (ceil(n / 320), C) float32, row k at (k + 0.5) / 50 s; a feature with more rows a second has two in each row.

    Raises:
        MissingExtraError: the package of a feature is not installed.
        StudioError: a feature cannot be computed.
    """
    n = n_rows(len(samples), RATE_HZ)
    return np.concatenate([_columns(name, samples, n, cache) for name in names], axis=1)


def _columns(name: str, samples: NDArray[np.float32], n: int, cache: Path | None) -> NDArray[np.float32]:
    # Mel is faster to compute than to read.
    found = features.compute(name, samples, None if name == "mel" else cache)
    if name == "phonemes":
        found = features.Features(np.maximum(found.values, _LEAST_LOG), found.rate_hz)
    if found.rate_hz <= RATE_HZ:
        return features.at_rate(found, RATE_HZ, n)
    return features.at_rate(found, 2 * RATE_HZ, 2 * n).reshape(n, -1)
