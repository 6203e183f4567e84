"""When each sample of a stream was captured: the sample count is the clock, the driver's stamps correct it slowly.

A stamp says when the driver's thread ran as much as when sound was captured. On a busy machine some come 60 ms late;
with a large buffer of the sound server they run to and fro by a quarter of a second, twice a second. The count of
samples has no such jitter, and two clocks differ by some hundred millionths only.
"""

from __future__ import annotations

import logging
from collections import deque
from statistics import median

from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms, s_to_ns

log = logging.getLogger(__name__)

# Stamps are averaged over so much sound. With 200 ppm between the clocks, 0.8 ms remain.
FOLLOW_NS = s_to_ns(4)
# A stamp further off counts no more than one at this distance: the average is nearly a median, and the clock runs at
# most 0.4 % faster or slower, which the sound of a recording follows (0.5 %).
COUNTED_NS = ms_to_ns(16)
FAR_NS = ms_to_ns(40)
# Sound was lost where all stamps of so long are far off on the same side; buffers of half a second do not do that.
LOST_NS = ms_to_ns(500)
MIN_STAMPS = 4
N_RECENT = 16


class SampleClock:
    """Keeps the instant at which a stream's first sample was captured. Thread: one.

    Args:
        rate_hz: of the stream, nominally.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._t_origin_ns = 0.0
        self._has_begun = False
        self._t_far_ns = 0
        self._is_far_late = False
        self._far_origins: deque[float] = deque(maxlen=N_RECENT)

    def instant_ns(self, index: int, rate_hz: int | None = None) -> int:
        """When a sample was captured; `rate_hz` counts at another rate than the stream's."""
        return int(self._t_origin_ns) + index * NS_PER_S // (rate_hz or self._rate_hz)

    def note(self, index: int, n_samples: int, t_stamp_ns: int) -> None:
        """Take a stamp of the driver.

        Args:
            index: number of the first sample of a piece.
            n_samples: of the piece.
            t_stamp_ns: when the first was captured, by the driver.
        """
        seen_ns = t_stamp_ns - index * NS_PER_S / self._rate_hz
        if not self._has_begun:
            self._has_begun = True
            self._t_origin_ns = seen_ns
            self._far_origins.clear()
        error_ns = seen_ns - self._t_origin_ns
        if self._was_sound_lost(error_ns, seen_ns, t_stamp_ns):
            self._start_at(median(self._far_origins))
            return
        share = n_samples * NS_PER_S / self._rate_hz / FOLLOW_NS
        self._t_origin_ns += min(1.0, share) * max(-COUNTED_NS, min(COUNTED_NS, error_ns))

    def restart(self) -> None:
        """Believe the next stamp as it is."""
        self._has_begun = False

    def _was_sound_lost(self, error_ns: float, seen_ns: float, t_stamp_ns: int) -> bool:
        """Whether all stamps of the last half second were far off on the same side."""
        if abs(error_ns) <= FAR_NS:
            self._far_origins.clear()
            return False
        if not self._far_origins or self._is_far_late != (error_ns > 0):
            self._far_origins.clear()
            self._t_far_ns, self._is_far_late = t_stamp_ns, error_ns > 0
        self._far_origins.append(seen_ns)
        return len(self._far_origins) >= MIN_STAMPS and t_stamp_ns - self._t_far_ns >= LOST_NS

    def _start_at(self, t_origin_ns: float) -> None:
        log.info("sound jumped by %.0f ms", ns_to_ms(round(t_origin_ns - self._t_origin_ns)))
        self._t_origin_ns = t_origin_ns
        self._far_origins.clear()
