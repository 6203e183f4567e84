"""Ranges of dataclass fields, declared beside the field and checked whenever an object is made."""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from avatar_app.contracts.errors import InputFileError

ONE_OF_MANY: dict[Any, type] = {tuple[int, ...]: int, tuple[float, ...]: float, tuple[str, ...]: str}
CHECKED = (int, float, str, *ONE_OF_MANY)
MAX_CHARACTERS = 2000
MAX_ITEMS = 20_000
SHORT = reprlib.Repr()
SHORT.maxstring, SHORT.maxother, SHORT.maxlevel = 160, 60, 2
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


@dataclasses.dataclass(frozen=True, slots=True)
class Within:
    """Annotates a field (`Annotated[int, Within(1, 9)]`) with the range of its numbers, both ends included."""

    low: float
    high: float


def check_fields(item: Any) -> None:
    """Check all fields that are numbers, texts or tuples of them.

    Raises:
        ValueError: one has a wrong type, is out of range, or is too long; the message names it.
    """
    for name, (kind, limits) in _kinds(item.__class__).items():
        value = getattr(item, name)
        if kind in ONE_OF_MANY and (not isinstance(value, tuple) or len(value) > MAX_ITEMS):
            raise ValueError(f"{name} is not a list of at most {MAX_ITEMS}")
        for one in value if kind in ONE_OF_MANY else (value,):
            _check(name, one, ONE_OF_MANY.get(kind, kind), limits)


def check_id(name: str, value: str) -> None:
    """Check that a text can be the name of a folder.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch(ID, value):
        raise ValueError(f"{name} {shown(value)} is not a name of letters, digits, dots and dashes")


def check_inner_path(name: str, value: str) -> None:
    """Check that a text is a relative path inside a folder.

    Raises:
        ValueError: it leads out of the folder.
    """
    if value.startswith("/") or "\\" in value or ":" in value or ".." in value.split("/"):
        raise ValueError(f"{name} {shown(value)} is not a file in this folder")


def problem(error: Exception) -> str:
    """What was wrong with the fields of a file, as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) if isinstance(error, ValueError | InputFileError) else "a field has a wrong type"


def shown(value: object) -> str:
    """A value for a message, shortened."""
    try:
        return SHORT.repr(value)
    except ValueError:  # Python does not print an integer of more than 4300 digits
        return "a number of very many digits"


@lru_cache
def _kinds(kind: type[object]) -> dict[str, tuple[Any, Within | None]]:
    """Type and range of each checked field."""
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        plain, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if plain in CHECKED:
            found[name] = (plain, next((note for note in notes if isinstance(note, Within)), None))
    return found


def _check(name: str, value: Any, kind: type, limits: Within | None) -> None:
    if kind is str:
        _check_text(name, value)
    else:
        _check_number(name, value, kind, limits)


def _check_number(name: str, value: Any, kind: type, limits: Within | None) -> None:
    is_number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{name} is {shown(value)}, not a {'whole ' if kind is int else ''}number")
    if limits is not None and not limits.low <= value <= limits.high:
        raise ValueError(f"{name} is {shown(value)}, not {limits.low:g} to {limits.high:g}")


def _check_text(name: str, value: Any) -> None:
    is_text = isinstance(value, str)
    if not is_text:
        raise ValueError(f"{name} is {shown(value)}, not text")
    if len(value) > MAX_CHARACTERS:
        raise ValueError(f"{name} has {len(value)} characters, more than {MAX_CHARACTERS}")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{name} contains invalid characters")
