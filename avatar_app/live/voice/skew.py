"""The skew between sound and picture."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# ATSC IS-191: sound may lead by 15 ms and lag by 45 ms.
MAX_AHEAD_MS = 15.0
MAX_BEHIND_MS = 45.0


@dataclass(frozen=True, slots=True)
class Skew:
    """Time of the picture minus time of the sound: positive when the sound is early. NaN without values.

    Attributes:
        p1_ms, p99_ms: percentiles.
    """

    n: int
    p50_ms: float
    p1_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float

    @property
    def is_within_limits(self) -> bool:
        """Whether the sound is at most 15 ms early and 45 ms late, except for one percent on each side."""
        return self.p99_ms <= MAX_AHEAD_MS and self.p1_ms >= -MAX_BEHIND_MS

    @classmethod
    def of(cls, values_ms: Sequence[float]) -> Skew:
        """The statistics of some values."""
        if not len(values_ms):
            return cls(0, *[float("nan")] * 5)
        p1, p50, p99 = (float(p) for p in np.percentile(values_ms, (1, 50, 99)))
        return cls(len(values_ms), p50, p1, p99, float(np.min(values_ms)), float(np.max(values_ms)))


class SkewMeter:
    """The skew of the last few thousand buffers. Thread: any."""

    def __init__(self, n_kept: int = 3000) -> None:
        self._values: deque[float] = deque(maxlen=n_kept)
        self._lock = threading.Lock()

    def note(self, skew_ms: float) -> None:
        """Add a value."""
        with self._lock:
            self._values.append(skew_ms)

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()

    def read(self) -> Skew:
        """The statistics of the kept values."""
        with self._lock:
            values = list(self._values)
        return Skew.of(values)
