"""Where the parts of a chained Ogg file begin (RFC 3533, section 4): such files are joined recordings."""

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
    """First byte and end of each part; one part, the whole file, for anything but a chained Ogg file."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    starts, was_begin = [0], True
    for place, is_begin in _pages(file):
        if is_begin and not was_begin:
            starts.append(place)
        was_begin = is_begin
    file.seek(0)
    return list(zip(starts, (*starts[1:], n_bytes), strict=True))


def _pages(file: BinaryIO) -> Iterator[tuple[int, bool]]:
    """Place of each page, and whether it begins a stream."""
    place = 0
    file.seek(0)
    if file.read(4) != MAGIC:
        return
    while True:
        file.seek(place)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        if header[:4] != MAGIC:
            found = _search(file, place)
            if found is None:
                return
            place = found
            continue
        yield place, bool(header[5] & BEGINS)
        place += HEADER_BYTES + header[26] + sum(file.read(header[26]))


def _search(file: BinaryIO, place: int) -> int | None:
    """The next page after damage."""
    while True:
        file.seek(place)
        block = file.read(SEARCH_BYTES)
        found = block.find(MAGIC)
        if found >= 0:
            return place + found
        if len(block) < len(MAGIC):
            return None
        place += len(block) - len(MAGIC) + 1


class Part(io.RawIOBase):
    """Some bytes of a file as a file of their own, for reading.

    Args:
        file: the whole.
        start, end: first byte, and the one after the last.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._end = end
        self._place = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def tell(self) -> int:
        """The current place."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end - self._start}[whence]
        self._place = max(0, begin + offset)
        return self._place

    def read(self, n_bytes: int = -1) -> bytes:
        """Bytes from the current place on, none at the end."""
        n_left = max(0, self._end - self._start - self._place)
        self._file.seek(self._start + self._place)
        data = self._file.read(n_left if n_bytes < 0 else min(n_bytes, n_left))
        self._place += len(data)
        return data
