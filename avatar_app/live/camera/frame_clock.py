"""Ticks at the constant rate of the camera, in phase with the avatar's pictures."""

from __future__ import annotations

import threading

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.runtime.phase_lock import correction_ns, phase_error_ns

# Phase lock to the avatar's pictures: a picture waits about this long for its tick. Without it two constant rates drift
# through each other, and while they coincide pictures are repeated and lost.
TARGET_WAIT_NS = ms_to_ns(6)


class FrameClock:
    """Ticks at a constant rate; missed ticks are skipped. Thread: the camera's."""

    def __init__(self, clock: Clock, fps: int) -> None:
        self._clock = clock
        self._fps = fps
        self._t_origin_ns = clock.now_ns()
        self._index = 0

    def wait(self, stop: threading.Event) -> int | None:
        """Wait for the next tick.

        Returns:
            How many ticks were missed before it; None when `stop` was set.
        """
        t_due_ns = self._t_origin_ns + self._index * NS_PER_S // self._fps
        if not self._clock.sleep_until(t_due_ns, stop):
            return None
        n_missed = max(0, self._clock.now_ns() - t_due_ns) * self._fps // NS_PER_S
        self._index += 1 + n_missed
        return n_missed

    def adjust_phase(self, waited_ns: int) -> None:
        """Shift the ticks a little, so that pictures wait for `TARGET_WAIT_NS`.

        When the avatar's rate differs from the camera's, the corrections cancel out, and the rate stays.
        """
        period_ns = NS_PER_S // self._fps
        self._t_origin_ns += correction_ns(phase_error_ns(waited_ns, TARGET_WAIT_NS, period_ns), period_ns)
