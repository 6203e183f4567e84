"""The mel columns of the last seconds."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import Float32

HISTORY_COLUMNS = 512


class MelHistory:
    """The newest mel columns in one contiguous block, so that any window of them is a view."""

    def __init__(self, n_columns: int = HISTORY_COLUMNS) -> None:
        self._n_kept = n_columns
        self.clear()

    def clear(self) -> None:
        """Start again, as after silence."""
        self._block = np.full((MEL.n_mels, 2 * self._n_kept), -MEL.max_abs_value, dtype=np.float32)
        self._end = self._n_kept
        self.n_columns = 0

    def append(self, columns: Float32) -> None:
        """Add (80, n) columns."""
        n = columns.shape[1]
        if self._end + n > self._block.shape[1]:
            self._block[:, : self._n_kept] = self._block[:, self._end - self._n_kept : self._end]
            self._end = self._n_kept
        self._block[:, self._end : self._end + n] = columns
        self._end += n
        self.n_columns += n

    def window(self, newest: int, n: int) -> Float32:
        """The (80, n) columns that end with column number `newest`."""
        end = self._end - (self.n_columns - 1 - newest)
        return self._block[:, end - n : end]
