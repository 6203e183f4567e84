"""Which sample belongs to which instant: of the sound that came in, and of the device that plays."""

from __future__ import annotations

from collections import deque

from avatar_app.contracts.units import NS_PER_S, ms_to_ns

# Stamps of a driver jitter: each counts as a 64th. One that is far off is believed when so many in a row are.
TIME_SHARE = 1 / 64
JUMP_NS = ms_to_ns(20)
N_JUMPS = 4


class CaptureTimes:
    """Instant of every sample of the kept sound. Thread: one.

    Args:
        rate_hz: of the sound.
        n_blocks: how many blocks are remembered.
    """

    def __init__(self, rate_hz: int, n_blocks: int) -> None:
        self._rate_hz = rate_hz
        self._blocks: deque[tuple[int, int]] = deque(maxlen=n_blocks)
        self.end = 0

    def append(self, n_samples: int, t_capture_ns: int) -> None:
        """Add a block, captured from an instant on."""
        self._blocks.append((self.end, t_capture_ns))
        self.end += n_samples

    @property
    def t_end_ns(self) -> float:
        """The instant at which the newest sample ended."""
        first, t_ns = self._blocks[-1]
        return t_ns + (self.end - first) * NS_PER_S / self._rate_hz

    def position(self, t_ns: float) -> float:
        """Number of the sample that was captured at an instant, with its fraction; goes on beyond both ends."""
        newest_first = reversed(self._blocks)
        first, t_first_ns = next((block for block in newest_first if block[1] <= t_ns), self._blocks[0])
        return first + (t_ns - t_first_ns) * self._rate_hz / NS_PER_S


class PlayedTimes:
    """Instant at which each sample leaves the output, from the driver's jittering stamps. Thread: one."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._t_origin_ns: float | None = None
        self._n_stamps = 0
        self._n_far = 0

    @property
    def is_known(self) -> bool:
        """Whether the driver has said anything yet."""
        return self._t_origin_ns is not None

    def note(self, index: int, t_ns: float) -> bool:
        """The driver says when a sample leaves. True when all that was believed before is void."""
        seen_ns = t_ns - index * NS_PER_S / self._rate_hz
        origin_ns = self._t_origin_ns
        self._n_far = self._n_far + 1 if origin_ns is not None and abs(seen_ns - origin_ns) > JUMP_NS else 0
        if origin_ns is None or self._n_far >= N_JUMPS:
            self._t_origin_ns, self._n_stamps, self._n_far = seen_ns, 1, 0
            return True
        if not self._n_far:
            self._n_stamps += 1
            self._t_origin_ns = origin_ns + max(TIME_SHARE, 1 / self._n_stamps) * (seen_ns - origin_ns)
        return False

    def instant(self, index: float) -> float:
        """When a sample leaves, in nanoseconds; 0 is the first that the driver asked for."""
        return (self._t_origin_ns or 0.0) + index * NS_PER_S / self._rate_hz
