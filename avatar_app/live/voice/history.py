"""A buffer of the newest sound, addressed by sample index."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32


class SoundHistory:
    """Keeps at least the newest `n_kept` samples in a fixed buffer. Thread: one."""

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._memory: Float32 = np.zeros(3 * n_kept, np.float32)
        self._used = 0
        self.end = 0

    def append(self, samples: Float32) -> None:
        """Add (n,) float32; of more than `n_kept` samples only the newest."""
        new = samples[-self._n_kept :]
        if self._used + len(new) > len(self._memory):
            kept = self._memory[self._used - self._n_kept : self._used]
            self._memory[: self._n_kept] = kept
            self._used = self._n_kept
        self._memory[self._used : self._used + len(new)] = new
        self._used += len(new)
        self.end += len(samples)

    def span(self, first: int, end: int) -> Float32:
        """Samples `first` to `end`; silence for those that do not exist or were dropped."""
        begin = self.end - self._used
        if first >= begin and end <= self.end:
            return self._memory[first - begin : end - begin]
        sound = np.zeros(end - first, np.float32)
        low, high = max(first, begin), min(end, self.end)
        if low < high:
            sound[low - first : high - first] = self._memory[low - begin : high - begin]
        return sound
