"""When to retry a disconnected sound device."""

from __future__ import annotations

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.units import s_to_ns

RETRY_NS = s_to_ns(3)


class RetryTimer:
    """Becomes due every 3 seconds. Thread: one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._t_due_ns = 0

    def restart(self) -> None:
        """Become due 3 seconds from now."""
        self._t_due_ns = self._clock.now_ns() + RETRY_NS

    def is_due(self) -> bool:
        """Whether the 3 seconds have passed."""
        return self._clock.now_ns() >= self._t_due_ns
