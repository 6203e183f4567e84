"""The time grid of the pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant of the grid.

    Attributes:
        index: its number.
        t_ns: when it was due, on the program's clock.
        n_missed: whole ticks before it that were skipped.
    """

    index: int
    t_ns: int
    n_missed: int


class Pacer:
    """Waits for the instants t_start + k / fps. The absolute grid keeps the rate exact.

    Thread: the one that calls `next_tick`.
    """

    def __init__(self, clock: Clock, fps: int, t_start_ns: int) -> None:
        self._clock = clock
        self._fps = fps
        self._t_start_ns = t_start_ns
        self._next = 0

    def next_tick(self, stop: threading.Event) -> Tick | None:
        """Wait for the next instant. A small delay is caught up; whole missed ticks are skipped and counted.

        Returns:
            The tick, or None when `stop` was set while waiting.
        """
        late_ns = self._clock.now_ns() - self._instant_ns(self._next)
        n_missed = max(0, late_ns * self._fps // NS_PER_S)
        self._next += n_missed
        t_ns = self._instant_ns(self._next)
        if not self._clock.sleep_until(t_ns, stop):
            return None
        tick = Tick(self._next, t_ns, n_missed)
        self._next += 1
        return tick

    def shift(self, dt_ns: int) -> None:
        """Move all later instants, so that the grid can lock to the sound's clock."""
        self._t_start_ns += dt_ns

    def _instant_ns(self, index: int) -> int:
        return self._t_start_ns + index * NS_PER_S // self._fps
