"""Rolling figures: how long each stage takes, and the latency of a picture."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

STALE_NS = 1_000_000_000
STAGES = ("capture", "mel", "student", "compose", "handover", "latency", "head")


class Meter:
    """The last few hundred values of one figure. Thread: any."""

    def __init__(self, n_kept: int = 512) -> None:
        self._values: deque[float] = deque(maxlen=n_kept)
        self._lock = threading.Lock()

    def note(self, value: float) -> None:
        """Add a value."""
        with self._lock:
            self._values.append(value)

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()

    def p50_p95(self) -> tuple[float, float]:
        """Median and 95th percentile; NaN before the first value."""
        with self._lock:
            values = list(self._values)
        if not values:
            return float("nan"), float("nan")
        p50, p95 = np.percentile(values, (50, 95))
        return float(p50), float(p95)


class StageMeters:
    """One `Meter` in milliseconds for each stage of the live path. Thread: any."""

    def __init__(self) -> None:
        self._meters = {stage: Meter() for stage in STAGES}

    def note(self, stage: str, ms: float) -> None:
        """Add a duration in milliseconds to a stage."""
        self._meters[stage].note(ms)

    def p50_p95(self, stage: str) -> tuple[float, float]:
        """Median and 95th percentile of a stage in milliseconds."""
        return self._meters[stage].p50_p95()

    def clear(self) -> None:
        """Forget all values, as after a change of look-ahead or frame rate."""
        for meter in self._meters.values():
            meter.clear()


class RateMeter:
    """Events per second over the last two seconds; 0 after a second without any. Thread: any."""

    def __init__(self, span_ns: int = 2_000_000_000) -> None:
        self._span_ns = span_ns
        self._instants: deque[int] = deque()
        self._lock = threading.Lock()

    def note(self, t_ns: int) -> None:
        """Count an event."""
        with self._lock:
            self._instants.append(t_ns)
            while self._instants[-1] - self._instants[0] > self._span_ns:
                self._instants.popleft()

    def per_s(self, t_now_ns: int) -> float:
        """Rate at an instant; 0 before the second event, and after a second without any."""
        with self._lock:
            if len(self._instants) < 2 or t_now_ns - self._instants[-1] > STALE_NS:
                return 0.0
            return (len(self._instants) - 1) * 1e9 / max(1, self._instants[-1] - self._instants[0])
