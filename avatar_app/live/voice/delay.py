"""By how much the voice must be late."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

from avatar_app.contracts.units import NS_PER_MS, NS_PER_S, ms_to_ns
from avatar_app.live.voice.read_position import MAX_SLEW_NS

# Before anything was measured. Too late is better than too early.
FIRST_DELAY_NS = ms_to_ns(200)
MAX_DELAY_NS = ms_to_ns(2000)
LOOK_NS = ms_to_ns(100)
N_LOOKS = 9
FOLLOW_SHARE = 1 / 16
# A picture stands until the next one: it shows a sound up to one period after its turn. Sound may lead by 15 ms and lag
# by 45: late by this share of a period, it stays within both at 25 pictures a second, with room for jitter.
PERIOD_SHARE = 0.75


class DelayFollower:
    """Follows the measured delay: small changes slowly, large ones when they last. Thread: one.

    Args:
        delay_ns: the delay of the pictures behind the microphone; None, or NaN, while it is not known.
    """

    def __init__(self, delay_ns: Callable[[], float | None]) -> None:
        self._ask = delay_ns
        self._seen: list[float] = []
        self._t_next_ns = 0
        self.delay_ns: float = FIRST_DELAY_NS

    def look(self, t_now_ns: int) -> float:
        """The delay to use now, in nanoseconds."""
        if t_now_ns >= self._t_next_ns:
            self._t_next_ns = t_now_ns + LOOK_NS
            self._note(self._ask())
        return self.delay_ns

    def _note(self, seen_ns: float | None) -> None:
        if seen_ns is None or not math.isfinite(seen_ns):
            return
        is_first = not self._seen
        self._seen = [*self._seen[1 - N_LOOKS :], min(max(0.0, seen_ns), MAX_DELAY_NS)]
        middle_ns = median(self._seen)
        if is_first or abs(middle_ns - self.delay_ns) > MAX_SLEW_NS:
            self.delay_ns = middle_ns
        else:
            self.delay_ns += FOLLOW_SHARE * (middle_ns - self.delay_ns)


def shown_delay_ns(latency_ms: float, handover_ms: float, fps: float) -> float:
    """The delay at which a sound and the first picture that shows it meet best.

    Args:
        latency_ms: from the capture of a sound to its picture in a sink's mailbox, median.
        handover_ms: from there until the picture is shown, median; NaN while no window is there, as in the tray: a
            camera or a browser takes pictures at once.
        fps: pictures in a second.
    """
    handover_ms = handover_ms if math.isfinite(handover_ms) else 0.0
    return (latency_ms + handover_ms) * NS_PER_MS + PERIOD_SHARE * NS_PER_S / fps
