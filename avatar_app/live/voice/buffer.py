"""The playback buffer between the player and the driver."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32

FADE_SAMPLES = 256


class PlayBuffer:
    """A ring buffer indexed by the device's sample count, so that an underrun shifts nothing.

    Thread: `write` the player's, `read` the driver's; each counter has one writer, which updates it last.

    Args:
        capacity: in samples.
    """

    def __init__(self, capacity: int) -> None:
        self._memory: Float32 = np.zeros(capacity, np.float32)
        self._fade: Float32 = np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32) ** 2
        self._last = np.float32(0)
        self._was_fed = False
        self.n_written = 0
        self.n_read = 0
        self.n_underruns = 0

    @property
    def capacity(self) -> int:
        """Size in samples."""
        return len(self._memory)

    @property
    def n_waiting(self) -> int:
        """Samples that the driver has not read yet."""
        return max(0, self.n_written - self.n_read)

    @property
    def n_free(self) -> int:
        """Samples that can be written now."""
        return len(self._memory) - self.n_waiting

    def write(self, index: int, sound: Float32) -> None:
        """Write (n,) float32.

        Args:
            index: sample count of the first: `n_written`, or `n_read` after an underrun.
            sound: the samples.

        Raises:
            ValueError: the buffer has no room.
        """
        if len(sound) > self.n_free:
            raise ValueError("the buffer is full")
        at = index % len(self._memory)
        n_before_end = min(len(sound), len(self._memory) - at)
        self._memory[at : at + n_before_end] = sound[:n_before_end]
        self._memory[: len(sound) - n_before_end] = sound[n_before_end:]
        self.n_written = index + len(sound)

    def read(self, out: Float32) -> None:
        """Fill (n, channels) float32; an underrun is counted and fades to silence."""
        n_wanted, index = len(out), self.n_read
        n_available = max(0, min(n_wanted, self.n_written - index))
        at = index % len(self._memory)
        n_before_end = min(n_available, len(self._memory) - at)
        out[:n_before_end] = self._memory[at : at + n_before_end, None]
        out[n_before_end:n_available] = self._memory[: n_available - n_before_end, None]
        if n_available:
            self._last = out[n_available - 1, 0]
        if n_available < n_wanted:
            self._fade_out(out[n_available:])
        self._was_fed = n_available == n_wanted
        self.n_read = index + n_wanted

    def _fade_out(self, out: Float32) -> None:
        n_fade = min(FADE_SAMPLES, len(out))
        out[:n_fade] = (self._last * self._fade[:n_fade])[:, None]
        out[n_fade:] = 0
        self._last = np.float32(0)
        self.n_underruns += self._was_fed
