"""The monotonic clock in integer nanoseconds, and a manual clock for tests and `render`."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never decreases."""
        ...

    def sleep_until(self, t_ns: int, stop: threading.Event | None = None) -> bool:
        """Wait for an instant; False if `stop` was set first."""
        ...


class MonotonicClock:
    """The machine's monotonic clock. Thread: any."""

    def now_ns(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return time.monotonic_ns()

    def sleep_until(self, t_ns: int, stop: threading.Event | None = None) -> bool:
        """Wait for an instant; a past one returns immediately."""
        wait_s = (t_ns - time.monotonic_ns()) / 1e9
        if stop is not None:
            return not stop.wait(max(0.0, wait_s))
        if wait_s > 0:
            time.sleep(wait_s)
        return True


class ManualClock:
    """A clock that only `advance` and `sleep_until` move. Thread: any."""

    def __init__(self, t_ns: int = 0) -> None:
        self._t_ns = t_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """The current instant."""
        with self._lock:
            return self._t_ns

    def advance(self, dt_ns: int) -> None:
        """Move the clock forward.

        Raises:
            ValueError: `dt_ns` is negative.
        """
        if dt_ns < 0:
            raise ValueError("a clock cannot go backwards")
        with self._lock:
            self._t_ns += dt_ns

    def sleep_until(self, t_ns: int, stop: threading.Event | None = None) -> bool:
        """Jump to an instant."""
        if stop is not None and stop.is_set():
            return False
        with self._lock:
            self._t_ns = max(self._t_ns, t_ns)
        return True
