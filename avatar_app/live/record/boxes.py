"""The outermost boxes of an MP4 or MOV file (ISO/IEC 14496-12, 4.2), to tell whole pieces from a broken tail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES

HEADER_BYTES = 8


def whole_length(path: Path) -> int:
    """Bytes up to the end of the last whole fragment, 0 without any; the whole file where it has another format.

    Raises:
        OSError: the file cannot be read.
    """
    n_bytes = path.stat().st_size
    if path.suffix not in FRAGMENTED_SUFFIXES:
        return n_bytes
    end, has_pictures = 0, False
    with path.open("rb") as file:
        for kind, start, length in _boxes(file):
            if start + length > n_bytes:
                break
            has_pictures = has_pictures or kind == b"mdat"
            # The pictures and sound of a fragment follow its index: an index alone is of no use.
            if has_pictures and kind != b"moof":
                end = start + length
    return end


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of each box; the last may reach beyond the file."""
    start = 0
    while True:
        file.seek(start)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < HEADER_BYTES:
            return
        yield header[4:], start, length
        start += length
