"""Free space on the disk of a recording."""

from __future__ import annotations

import shutil
from pathlib import Path

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record.folder import OTHER_FOLDER, write_error

BYTES_PER_MB = 1_000_000
# A recording that would soon end for lack of space is refused.
START_FACTOR = 1.25
CHECK_NS = NS_PER_S


class DiskWatch:
    """Checks the free space once a second. Thread: one at a time."""

    def __init__(self, folder: Path, keep_free_mb: int) -> None:
        self._folder = folder
        self._keep_bytes = keep_free_mb * BYTES_PER_MB
        self._t_next_ns = 0
        self._usable_bytes = 0

    def check_start(self) -> None:
        """Check whether there is enough space to begin a recording.

        Raises:
            OutputError: the folder is missing, or too little space is free.
        """
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise write_error(self._folder / "recording", error) from error
        if free < START_FACTOR * self._keep_bytes:
            raise OutputError(
                f"Only {free // BYTES_PER_MB} MB are free in {self._folder}, too few for a recording.",
                f"Free some space. {OTHER_FOLDER}",
            )

    def move_to(self, folder: Path) -> None:
        """Watch another folder from now on."""
        self._folder, self._t_next_ns = folder, 0

    def has_room(self, t_ns: int) -> bool:
        """Whether there is space to continue."""
        if t_ns >= self._t_next_ns:
            self._t_next_ns = t_ns + CHECK_NS
            try:
                self._usable_bytes = shutil.disk_usage(self._folder).free - self._keep_bytes
            except OSError:
                return True  # a failed write reports it
        return self._usable_bytes > 0

    def remaining_s(self, n_bytes: int, seconds: float) -> float | None:
        """How long the space lasts at `n_bytes` in `seconds`; None when that is not known yet."""
        if seconds < 1 or n_bytes <= 0 or not self._t_next_ns:
            return None
        return max(0.0, self._usable_bytes * seconds / n_bytes)
