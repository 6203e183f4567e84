"""The short piece of sound that waits for the driver."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32

FADE_SAMPLES = 256


class PlayBuffer:
    """A ring in which every sample has the number that the device gives it, so that silence shifts nothing.

    Thread: `write` the player's, `read` the driver's; each count has one writer, and is written last.

    Args:
        capacity: samples.
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
        """Samples that have room."""
        return len(self._memory)

    @property
    def n_waiting(self) -> int:
        """Samples that the driver has not fetched yet."""
        return max(0, self.n_written - self.n_read)

    @property
    def n_free(self) -> int:
        """Samples that can be written."""
        return len(self._memory) - self.n_waiting

    def write(self, index: int, sound: Float32) -> None:
        """Leave (n,) float32 from a sample's number on, which is `n_written`, or `n_read` after an underrun.

        Raises:
            ValueError: there is no room.
        """
        if len(sound) > self.n_free:
            raise ValueError("the driver has not fetched enough")
        at = index % len(self._memory)
        n_before_end = min(len(sound), len(self._memory) - at)
        self._memory[at : at + n_before_end] = sound[:n_before_end]
        self._memory[: len(sound) - n_before_end] = sound[n_before_end:]
        self.n_written = index + len(sound)

    def read(self, out: Float32) -> None:
        """Fill (n, channels) float32; what is missing is silence, and counted."""
        n_asked, index = len(out), self.n_read
        n_there = max(0, min(n_asked, self.n_written - index))
        at = index % len(self._memory)
        n_before_end = min(n_there, len(self._memory) - at)
        out[:n_before_end] = self._memory[at : at + n_before_end, None]
        out[n_before_end:n_there] = self._memory[: n_there - n_before_end, None]
        if n_there:
            self._last = out[n_there - 1, 0]
        if n_there < n_asked:
            self._fall_silent(out[n_there:])
        self._was_fed = n_there == n_asked
        self.n_read = index + n_asked

    def _fall_silent(self, out: Float32) -> None:
        n_fade = min(FADE_SAMPLES, len(out))
        out[:n_fade] = (self._last * self._fade[:n_fade])[:, None]
        out[n_fade:] = 0
        self._last = np.float32(0)
        self.n_underruns += self._was_fed
