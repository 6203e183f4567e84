"""Files of a cache: complete or not there, also where several processes write the same ones at once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_object


@contextlib.contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """A file to write, moved into place when it is complete; its folder is made.

    Raises:
        StudioError: it cannot be written.
    """
    # Of several processes each has a file of its own to rename; what one of them has mapped stays as it is.
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as opened:
            yield opened
        temporary.replace(file)
    except OSError as error:
        raise StudioError(
            f"The cache {file} cannot be written: {error}.", "Free some space, then give the same command again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_pictures(file: Path, shape: tuple[int, ...], pieces: Iterable[NDArray[np.uint8]]) -> None:
    """Write pictures, piece by piece, as an `.npy` file that can be mapped.

    A file that is mapped while it is written would be killed by a full disk; this one can say so.

    Args:
        file: the file.
        shape: of all pictures together.
        pieces: of any length.

    Raises:
        StudioError: it cannot be written.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with written(file) as opened:
        np.lib.format.write_array_header_1_0(opened, header)
        for piece in pieces:
            opened.write(np.ascontiguousarray(piece).data)


def make_current(file: Path, wanted: dict[str, Any], make: Callable[[], None]) -> None:
    """Make what a cache is to hold, unless its facts say that it does.

    Args:
        file: of the facts.
        wanted: what it is to hold, in types that JSON has.
        make: writes it.

    Raises:
        StudioError: the facts cannot be written.
    """
    if read_facts(file) == wanted:
        return
    # Nothing until it is complete.
    write_facts(file, {})
    make()
    write_facts(file, wanted)


def read_facts(file: Path) -> dict[str, Any]:
    """What `write_facts` wrote; nothing when there is no such file, or a damaged one."""
    try:
        return read_object(file)
    except InputFileError:
        return {}


def write_facts(file: Path, facts: dict[str, Any]) -> None:
    """Write what a cache holds, as JSON.

    Raises:
        StudioError: it cannot be written.
    """
    with written(file) as opened:
        opened.write((json.dumps(facts) + "\n").encode())
