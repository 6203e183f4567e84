"""Reads files and messages that others may have written: manifests, settings, caches, requests.

For any content, time and memory are bounded, and `InputFileError` is the only error. The dataclasses of the content
check its values, see `fields`.
"""

from __future__ import annotations

import io
import json
import lzma
import math
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, MissingFileError

MAX_JSON_BYTES = 4_000_000
MAX_DEPTH = 32
# No field needs an integer with more digits, and some functions of Python refuse it.
MAX_DIGITS = 20
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
BINARY = getattr(os, "O_BINARY", 0)
BAD_ARRAYS = (
    OSError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, MemoryError, AttributeError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip


def read_bytes(path: str | Path, max_bytes: int) -> bytes:
    """Read a regular file. A pipe or a device is refused without waiting, and a large file before it is read.

    Raises:
        MissingFileError: there is no such file.
        InputFileError: it cannot be read, is no regular file, or is larger than `max_bytes`.
    """
    try:
        # Without this flag, opening a pipe without a writer would block.
        descriptor = os.open(path, os.O_RDONLY | NO_WAIT | BINARY)
    except FileNotFoundError as error:
        raise MissingFileError("it is missing") from error
    except (OSError, ValueError) as error:
        raise InputFileError(f"it cannot be opened ({reason(error)})") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise InputFileError("it is not a regular file")
        if facts.st_size > max_bytes:
            raise InputFileError(f"it is larger than {max_bytes / 1e6:g} MB")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(facts.st_size)
    except OSError as error:
        raise InputFileError(f"it cannot be read ({reason(error)})") from error
    finally:
        os.close(descriptor)


def read_object(
    path: str | Path, max_bytes: int = MAX_JSON_BYTES, *, keeps_bad_numbers: bool = False
) -> dict[str, Any]:
    """Read the fields of a JSON file.

    Raises:
        MissingFileError: there is no such file.
        InputFileError: it cannot be read, or `parse_object` refuses it.
    """
    return parse_object(read_bytes(path, max_bytes), keeps_bad_numbers=keeps_bad_numbers)


def parse_object(content: bytes | str, *, keeps_bad_numbers: bool = False) -> dict[str, Any]:
    """Parse a JSON object. NaN, infinite numbers, integers of many digits and deep nesting are refused.

    Args:
        content: UTF-8, with or without a byte order mark.
        keeps_bad_numbers: return such numbers as text, for a caller that skips single fields.

    Raises:
        InputFileError: it is not such an object.
    """
    number = _number if keeps_bad_numbers else _good_number
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        data = json.loads(text, parse_int=number, parse_float=number, parse_constant=number)
    except json.JSONDecodeError as error:
        raise InputFileError(f"it is not JSON (line {error.lineno})") from error
    except UnicodeError as error:
        raise InputFileError("it is not text in UTF-8") from error
    except RecursionError as error:
        raise InputFileError("it is nested too deeply") from error
    _check_depth(data)
    if not isinstance(data, dict):
        raise InputFileError("it is not an object")
    return data


def read_arrays(path: str | Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz` file.

    Args:
        path: of the file.
        max_bytes: limit of the file, and of its unpacked arrays.

    Raises:
        MissingFileError: there is no such file.
        InputFileError: it cannot be read, is damaged, or is too large.
    """
    content = io.BytesIO(read_bytes(path, max_bytes))
    try:
        with zipfile.ZipFile(content) as packed:
            n_bytes = sum(entry.file_size for entry in packed.infolist())
        if n_bytes > max_bytes:
            raise InputFileError(f"it unpacks to more than {max_bytes / 1e6:g} MB")
        content.seek(0)
        with np.load(content, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except BAD_ARRAYS as error:
        raise InputFileError("its arrays are damaged") from error


def reason(error: Exception) -> str:
    """The system's reason for refusing a file."""
    if isinstance(error, ValueError):
        # A NUL, or a character that no file system allows.
        return "its name is not a path"
    return getattr(error, "strerror", None) or type(error).__name__


def _number(digits: str) -> float | str:
    """A number; its text if the program cannot use it."""
    if digits.lstrip("-").isdigit():
        return int(digits) if len(digits) <= MAX_DIGITS else digits
    value = float(digits)
    return value if math.isfinite(value) else digits


def _good_number(digits: str) -> float:
    value = _number(digits)
    if isinstance(value, str):
        raise InputFileError(f"it contains the number {digits[:MAX_DIGITS]}{'…' * (len(digits) > MAX_DIGITS)}")
    return value


def _check_depth(data: object) -> None:
    """Level by level, without recursion."""
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [item for nest in level for item in _items(nest)]
        if not level:
            return
    raise InputFileError("it is nested too deeply")


def _items(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
