"""The delay of the voice."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

from avatar_app.contracts.units import NS_PER_MS, NS_PER_S, ms_to_ns
from avatar_app.live.voice.read_position import MAX_SLEW_NS

# Used before the first measurement. Too late is better than too early.
FIRST_DELAY_NS = ms_to_ns(200)
MAX_DELAY_NS = ms_to_ns(2000)
POLL_NS = ms_to_ns(100)
N_KEPT = 9
FOLLOW_SHARE = 1 / 16
# A picture stays until the next one, so it shows a sound up to one period late. Sound may lead by 15 ms and lag by
# 45 ms: delayed by this share of a period, it meets both limits at 25 fps, with a margin for jitter.
PERIOD_SHARE = 0.75


class DelayFollower:
    """Smooths the measured delay: small changes slowly, large ones when they persist. Thread: one.

    Args:
        delay_ns: the delay of the pictures behind the microphone; None, or NaN, while it is unknown.
    """

    def __init__(self, delay_ns: Callable[[], float | None]) -> None:
        self._measured_ns = delay_ns
        self._recent: list[float] = []
        self._t_next_ns = 0
        self.delay_ns: float = FIRST_DELAY_NS

    def poll(self, t_now_ns: int) -> float:
        """Read the measured delay ten times a second; returns the delay to use, in nanoseconds."""
        if t_now_ns >= self._t_next_ns:
            self._t_next_ns = t_now_ns + POLL_NS
            self._note(self._measured_ns())
        return self.delay_ns

    def _note(self, measured_ns: float | None) -> None:
        if measured_ns is None or not math.isfinite(measured_ns):
            return
        is_first = not self._recent
        self._recent = [*self._recent[1 - N_KEPT :], min(max(0.0, measured_ns), MAX_DELAY_NS)]
        middle_ns = median(self._recent)
        if is_first or abs(middle_ns - self.delay_ns) > MAX_SLEW_NS:
            self.delay_ns = middle_ns
        else:
            self.delay_ns += FOLLOW_SHARE * (middle_ns - self.delay_ns)


def shown_delay_ns(latency_ms: float, handover_ms: float, fps: float) -> float:
    """The delay at which a sound and the first picture that shows it match best.

    Args:
        latency_ms: from the capture of a sound to its picture in a sink's mailbox, median.
        handover_ms: from there until the picture is shown, median; NaN without a window, as in the tray: a camera or a
            browser takes pictures immediately.
        fps: pictures per second.
    """
    handover_ms = handover_ms if math.isfinite(handover_ms) else 0.0
    return (latency_ms + handover_ms) * NS_PER_MS + PERIOD_SHARE * NS_PER_S / fps
