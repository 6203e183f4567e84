"""Files of a cache, each written in one step; several processes may write the same file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts import atomic_file
from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_object


@contextlib.contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """A file to write, renamed to `file` when it is complete; its folder is made.

    Raises:
        StudioError: it cannot be written.
    """
    try:
        with atomic_file.replacing(file) as temporary, temporary.open("wb") as opened:
            yield opened
    except OSError as error:
        raise StudioError(
            f"The cache {file} cannot be written: {error}.", "Free some space, then give the same command again."
        ) from error


def write_pictures(file: Path, shape: tuple[int, ...], pieces: Iterable[NDArray[np.uint8]]) -> None:
    """Write pictures, piece by piece, as an `.npy` file that can be mapped.

    Writing to a mapped file would end the process when the disk is full; here a full disk is an error.

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
    """Fill a cache, unless its facts show that it already has the wanted content.

    Args:
        file: the file of the facts.
        wanted: description of the wanted content, in JSON types.
        make: writes the other files of the cache.

    Raises:
        StudioError: the facts cannot be written.
    """
    if read_facts(file) == wanted:
        return
    # Empty facts mark the cache as incomplete.
    write_facts(file, {})
    make()
    write_facts(file, wanted)


def read_facts(file: Path) -> dict[str, Any]:
    """The facts that `write_facts` wrote; empty if the file is missing or damaged."""
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
