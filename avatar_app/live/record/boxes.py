"""Top-level boxes of an MP4 or MOV file (ISO/IEC 14496-12, 4.2): finds the end of the last complete fragment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES

HEADER_BYTES = 8


def complete_length(path: Path) -> int:
    """Length up to the end of the last complete fragment, 0 without one; the whole file in other formats.

    Raises:
        OSError: the file cannot be read.
    """
    n_bytes = path.stat().st_size
    if path.suffix not in FRAGMENTED_SUFFIXES:
        return n_bytes
    end, has_media = 0, False
    with path.open("rb") as file:
        for kind, start, length in _boxes(file):
            if start + length > n_bytes:
                break
            has_media = has_media or kind == b"mdat"
            # The media data (`mdat`) of a fragment follows its index (`moof`); an index alone is useless.
            if has_media and kind != b"moof":
                end = start + length
    return end


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of each box; the last may extend beyond the file."""
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
