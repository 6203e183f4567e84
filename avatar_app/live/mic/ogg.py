"""Finds the parts of a chained Ogg file (RFC 3533, section 4), which is several recordings in one file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

MAGIC = b"OggS"
HEADER_BYTES = 27
BEGINS = 2
SEARCH_BYTES = 65_536


def parts(file: BinaryIO) -> list[tuple[int, int]]:
    """First byte and end of each part; the whole file as one part unless it is a chained Ogg file."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    starts, was_begin = [0], True
    for position, is_begin in _pages(file):
        if is_begin and not was_begin:
            starts.append(position)
        was_begin = is_begin
    file.seek(0)
    return list(zip(starts, (*starts[1:], n_bytes), strict=True))


def _pages(file: BinaryIO) -> Iterator[tuple[int, bool]]:
    """Position of each page, and whether it begins a stream."""
    position = 0
    file.seek(0)
    if file.read(4) != MAGIC:
        return
    while True:
        file.seek(position)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        if header[:4] != MAGIC:
            found = _search(file, position)
            if found is None:
                return
            position = found
            continue
        yield position, bool(header[5] & BEGINS)
        position += HEADER_BYTES + header[26] + sum(file.read(header[26]))


def _search(file: BinaryIO, position: int) -> int | None:
    """Position of the next page after damage."""
    while True:
        file.seek(position)
        block = file.read(SEARCH_BYTES)
        found = block.find(MAGIC)
        if found >= 0:
            return position + found
        if len(block) < len(MAGIC):
            return None
        position += len(block) - len(MAGIC) + 1


class Part(io.RawIOBase):
    """A range of a file as a separate file, for reading.

    Args:
        file: the whole file.
        start, end: first byte, and the byte after the last.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._end = end
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The current position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end - self._start}[whence]
        self._position = max(0, begin + offset)
        return self._position

    def read(self, n_bytes: int = -1) -> bytes:
        """Read bytes; none at the end."""
        n_left = max(0, self._end - self._start - self._position)
        self._file.seek(self._start + self._position)
        data = self._file.read(n_left if n_bytes < 0 else min(n_bytes, n_left))
        self._position += len(data)
        return data
