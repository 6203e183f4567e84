"""Conversion between sample indices and instants: of captured sound, and of the playing device."""

from __future__ import annotations

from collections import deque

from avatar_app.contracts.units import NS_PER_S, ms_to_ns

# A driver's stamps jitter: each has this weight in the average. N_JUMPS stamps in a row that are off by more than
# JUMP_NS replace it.
TIME_SHARE = 1 / 64
JUMP_NS = ms_to_ns(20)
N_JUMPS = 4


class CaptureTimes:
    """Capture instants of the kept sound. Thread: one.

    Args:
        rate_hz: of the sound.
        n_blocks: number of blocks kept.
    """

    def __init__(self, rate_hz: int, n_blocks: int) -> None:
        self._rate_hz = rate_hz
        self._blocks: deque[tuple[int, int]] = deque(maxlen=n_blocks)
        self.end = 0

    def append(self, n_samples: int, t_capture_ns: int) -> None:
        """Add a block whose first sample was captured at an instant."""
        self._blocks.append((self.end, t_capture_ns))
        self.end += n_samples

    @property
    def t_end_ns(self) -> float:
        """Capture instant of the end of the newest sample."""
        first, t_ns = self._blocks[-1]
        return t_ns + (self.end - first) * NS_PER_S / self._rate_hz

    def position(self, t_ns: float) -> float:
        """Fractional index of the sample captured at an instant, extrapolated beyond both ends."""
        newest_first = reversed(self._blocks)
        first, t_first_ns = next((block for block in newest_first if block[1] <= t_ns), self._blocks[0])
        return first + (t_ns - t_first_ns) * self._rate_hz / NS_PER_S


class PlayedTimes:
    """Estimates when each sample leaves the output, from the driver's jittering stamps. Thread: one."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._t_origin_ns: float | None = None
        self._n_stamps = 0
        self._n_far = 0

    @property
    def is_known(self) -> bool:
        """Whether there was a stamp."""
        return self._t_origin_ns is not None

    def note(self, index: int, t_ns: float) -> bool:
        """Take a stamp of the driver: when a sample leaves. True if it replaces the estimate so far."""
        measured_ns = t_ns - index * NS_PER_S / self._rate_hz
        origin_ns = self._t_origin_ns
        self._n_far = self._n_far + 1 if origin_ns is not None and abs(measured_ns - origin_ns) > JUMP_NS else 0
        if origin_ns is None or self._n_far >= N_JUMPS:
            self._t_origin_ns, self._n_stamps, self._n_far = measured_ns, 1, 0
            return True
        if not self._n_far:
            self._n_stamps += 1
            self._t_origin_ns = origin_ns + max(TIME_SHARE, 1 / self._n_stamps) * (measured_ns - origin_ns)
        return False

    def instant(self, index: float) -> float:
        """When a sample leaves, in nanoseconds; sample 0 is the first that the driver read."""
        return (self._t_origin_ns or 0.0) + index * NS_PER_S / self._rate_hz
