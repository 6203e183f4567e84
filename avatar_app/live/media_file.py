"""Sound and video files as people name them: a path is a path, whatever characters are in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import av

from avatar_app.contracts.errors import UserError

# FFmpeg's errors derive from OSError or ValueError, which one depends on the error.
MEDIA_ERRORS = (OSError, ValueError, av.FFmpegError)


def shown(path: str | Path) -> str:
    """A path or name for messages: bytes that are no text are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def open_file(path: Path, error: type[UserError]) -> BinaryIO:
    """Open a file for reading; anything that is not a file, such as a pipe, is refused.

    Raises:
        UserError: of the kind `error`; there is no such file, or it may not be read.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as problem:
        raise error(f"The file {shown(path)} cannot be read: {problem.strerror}.", "Choose another file.") from problem
    raise error(f"There is no file {shown(path)}.", "Check its name.")


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some streams of a container, in the file's order.

    Raises:
        MEDIA_ERRORS: the file breaks off here.
    """
    while True:
        # WORKAROUND(PyAV 18): it does not know streams that begin in the middle of a file. Their packet is lost, the
        # next one follows. Remove when: `demux` leaves such packets out.
        with suppress(IndexError):
            yield from container.demux(*streams)
            return


def open_media(file: Any) -> Any:
    """A container on an open file. FFmpeg gets the file, not its name, which it would read as an address.

    Raises:
        MEDIA_ERRORS: it is no media file.
    """
    return av.open(file, metadata_errors="replace")
