"""Ids of avatars and models, which are names of folders on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from avatar_app.contracts.atomic_file import REPLACED_FOLDER, UNFINISHED_FOLDER
from avatar_app.contracts.fields import ID
from avatar_app.live.frame import list_avatars
from avatar_app.live.student import list_models
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.profiles import DEVICES

MAX_LENGTH = 60
FALLBACK = "avatar"


def id_for(title: str) -> str:
    """The id of an avatar with this title: its letters and digits in lower case, without accents."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_LENGTH].rstrip("-") or FALLBACK
    return f"{name}-{FALLBACK}" if DEVICES.fullmatch(name) else name


def is_usable_id(name: str) -> bool:
    """Whether a text can name a folder on every system, and no folder that is being written or replaced."""
    has_bad_end = name.endswith((".", UNFINISHED_FOLDER, REPLACED_FOLDER))
    return re.fullmatch(ID, name) is not None and not has_bad_end and not DEVICES.fullmatch(name)


def free_id(wanted: str, taken: Collection[str]) -> str:
    """The wanted id, or with the first number that makes it free: `ada`, `ada-2`, `ada-3`.

    Args:
        wanted: an id.
        taken: ids in lower case; some file systems do not distinguish `Ada` and `ada`.
    """
    name, k = wanted, 2
    while name.lower() in taken:
        name, k = f"{wanted[:MAX_LENGTH]}-{k}", k + 1
    return name


def taken_avatar_ids(paths: ProfilePaths) -> set[str]:
    """Ids that no new avatar may have, in lower case: those of the program, of the user, and of enrolments."""
    return {folder.name.lower() for folder in list_avatars()} | _names(paths.avatars_dir) | _names(paths.enrolments_dir)


def taken_model_ids(paths: ProfilePaths) -> set[str]:
    """Ids that no new model may have, in lower case.

    Raises:
        ModelError: the program's list of models cannot be used.
    """
    return {name.lower() for name in list_models()} | _names(paths.models_dir)


def shipped_avatar_ids() -> set[str]:
    """Ids of the program's own avatars, in lower case."""
    return {folder.name.lower() for folder in list_avatars()}


def _names(folder: Path) -> set[str]:
    return {path.name.lower() for path in folder.iterdir()} if folder.is_dir() else set()
