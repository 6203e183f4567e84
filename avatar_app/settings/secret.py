"""A secret that lasts: made once, readable by its owner alone, and no part of what is exported."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.input_file import read_bytes

N_BYTES = 24
MAX_BYTES = 1000
MIN_CHARACTERS = 16


def secret(file: Path) -> str:
    """The secret in a file, made there when missing; one for this start only where nothing can be kept."""
    with contextlib.suppress(InputFileError, UnicodeError):
        kept = read_bytes(file, MAX_BYTES).decode("ascii").strip()
        if len(kept) >= MIN_CHARACTERS:
            return kept
    made = secrets.token_urlsafe(N_BYTES)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(made + "\n")
    return made
