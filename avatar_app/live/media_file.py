"""Opens sound and video files; a path may contain any characters."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from avatar_app.contracts.errors import UserError

# FFmpeg's errors derive from OSError or ValueError, which one depends on the error.
MEDIA_ERRORS = (OSError, ValueError, av.FFmpegError)


def shown(path: str | Path) -> str:
    """A path or name for messages; bytes that are not text are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def open_file(path: Path, error: type[UserError]) -> BinaryIO:
    """Open a regular file for reading; a pipe, for example, is refused.

    Raises:
        UserError: of the class `error`; there is no such file, or it cannot be read.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as problem:
        raise error(f"The file {shown(path)} cannot be read: {problem.strerror}.", "Choose another file.") from problem
    raise error(f"There is no file {shown(path)}.", "Check its name.")


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Stream]]:
    """The packets of some streams of a container, in the order of the file.

    Raises:
        MEDIA_ERRORS: the file ends too early here.
    """
    while True:
        # WORKAROUND(PyAV 18): `demux` raises IndexError for a stream that begins in the middle of a file. That packet
        # is skipped. Remove when: `demux` skips such packets.
        with suppress(IndexError):
            yield from container.demux(*streams)
            return


def open_media(file: IO[bytes]) -> InputContainer:
    """Open a container on an open file. FFmpeg gets the file, because it would read its name as a URL.

    Raises:
        MEDIA_ERRORS: it is not a media file.
    """
    return av.open(file, "r", metadata_errors="replace")
