"""The capture instant of each sample: the sample count is the clock, the driver's time stamps correct it slowly.

Time stamps jitter with the driver's thread. On a busy machine some are 60 ms late; with a large buffer of the sound
server they vary by a quarter of a second, twice a second. The sample count has no jitter, and two clocks differ by a
few hundred ppm only.
"""

from __future__ import annotations

import logging
from collections import deque
from statistics import median

from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms, s_to_ns

log = logging.getLogger(__name__)

# Time constant of the average of the stamps. With 200 ppm between the clocks, an error of 0.8 ms remains.
FOLLOW_NS = s_to_ns(4)
# Larger errors are clipped to this: the average is nearly a median, and the clock changes by at most 0.4 %, which the
# resampler of a recording follows (0.5 %).
COUNTED_NS = ms_to_ns(16)
FAR_NS = ms_to_ns(40)
# Sound was lost when all stamps of this long are off by more than FAR_NS on the same side; jitter of large buffers
# changes sides sooner.
LOST_NS = ms_to_ns(500)
MIN_STAMPS = 4
N_RECENT = 16


class SampleClock:
    """Estimates the capture instant of a stream's first sample. Thread: one.

    Args:
        rate_hz: nominal rate of the stream.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._t_origin_ns = 0.0
        self._has_begun = False
        self._t_far_ns = 0
        self._is_far_late = False
        self._far_origins: deque[float] = deque(maxlen=N_RECENT)

    def instant_ns(self, index: int, rate_hz: int | None = None) -> int:
        """Capture instant of a sample; `rate_hz` is the rate of the index if not the stream's."""
        return int(self._t_origin_ns) + index * NS_PER_S // (rate_hz or self._rate_hz)

    def note(self, index: int, n_samples: int, t_stamp_ns: int) -> None:
        """Take a time stamp of the driver.

        Args:
            index: of the first sample of a delivery.
            n_samples: in the delivery.
            t_stamp_ns: the driver's capture instant of the first sample.
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
        """Accept the next stamp as it is."""
        self._has_begun = False

    def _was_sound_lost(self, error_ns: float, seen_ns: float, t_stamp_ns: int) -> bool:
        """Whether all stamps of the last half second were off by more than `FAR_NS` on the same side."""
        if abs(error_ns) <= FAR_NS:
            self._far_origins.clear()
            return False
        if not self._far_origins or self._is_far_late != (error_ns > 0):
            self._far_origins.clear()
            self._t_far_ns, self._is_far_late = t_stamp_ns, error_ns > 0
        self._far_origins.append(seen_ns)
        return len(self._far_origins) >= MIN_STAMPS and t_stamp_ns - self._t_far_ns >= LOST_NS

    def _start_at(self, t_origin_ns: float) -> None:
        log.info("the capture time jumped by %.0f ms", ns_to_ms(round(t_origin_ns - self._t_origin_ns)))
        self._t_origin_ns = t_origin_ns
        self._far_origins.clear()
