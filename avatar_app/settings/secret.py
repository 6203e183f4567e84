"""A secret token in a file that only its owner can read; profiles and exports do not contain it."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.input_file import read_bytes

N_BYTES = 24
MAX_BYTES = 1000
MIN_CHARACTERS = 16


def secret(file: Path) -> str:
    """Read the secret from a file, or write a new one; one that cannot be written is valid for this start alone."""
    with contextlib.suppress(InputFileError, UnicodeError):
        kept = read_bytes(file, MAX_BYTES).decode("ascii").strip()
        if len(kept) >= MIN_CHARACTERS:
            return kept
    made = secrets.token_urlsafe(N_BYTES)
    with contextlib.suppress(OSError):
        write_text(file, made + "\n", is_private=True)
    return made
