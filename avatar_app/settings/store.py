"""Reads and writes the settings file; `load` and `save` post a notice instead of raising an error."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avatar_app.contracts import atomic_file
from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import InputFileError, MissingFileError, SettingsError
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.settings import schema
from avatar_app.settings.migrations import migrate
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

_log = logging.getLogger(__name__)

LOAD_KEY = "settings-load"
SAVE_KEY = "settings-save"
MAX_BYTES = 1_000_000
N_NAMED = 3


def load(paths: ProfilePaths, notices: NoticeBoard) -> Settings:
    """The saved settings; the default replaces every value that cannot be used."""
    file = paths.config_file
    try:
        data = _read(file)
    except MissingFileError:
        return Settings()
    except SettingsError as error:
        kept = _keep_broken(file)
        _warn(notices, LOAD_KEY, error.what, f"{error.what_to_do} Defaults are used{kept}.")
        return Settings()
    return _settle(data, file, notices)


def read(file: Path, notices: NoticeBoard) -> Settings:
    """The settings in a file; a notice names values that cannot be used, and their defaults replace them.

    Raises:
        SettingsError: the file cannot be read, or holds no settings.
    """
    try:
        return _settle(_read(file), file, notices)
    except SettingsError as error:
        raise SettingsError(error.what, error.what_to_do or "Choose another file.") from error
    except MissingFileError as error:
        raise SettingsError(f"{file} cannot be read: {error}.", "Choose another file.") from error


def save(paths: ProfilePaths, settings: Settings, notices: NoticeBoard) -> bool:
    """Write all settings; returns False, and posts a notice, when that failed."""
    file = paths.config_file
    try:
        write_text(file, json.dumps(settings.to_json(), indent=2) + "\n", is_private=True)
    except OSError as error:
        _log.warning("cannot save settings to %s: %s", file, error)
        _warn(
            notices,
            SAVE_KEY,
            f"Your settings cannot be saved to {file.parent}: {error.strerror or error}.",
            "They are kept until you quit. Make the folder writable, or start with --profile-dir DIR.",
        )
        return False
    notices.clear(SAVE_KEY)
    return True


def remove_leftovers(paths: ProfilePaths) -> None:
    """Delete the temporary files of killed writers; only the program that holds the profile's lock may call it."""
    for folder in (paths.config_file.parent, paths.profiles_dir, paths.state_dir, paths.cache_dir):
        atomic_file.remove_leftovers(folder)


def _read(file: Path) -> dict[str, Any]:
    """The values in a file, in the newest layout.

    Raises:
        MissingFileError: there is none.
        SettingsError: it holds no settings.
    """
    try:
        return migrate(read_object(file, MAX_BYTES, keeps_bad_numbers=True))
    except MissingFileError:
        raise
    except InputFileError as error:
        raise SettingsError(f"The settings file {file} cannot be used: {error}.", "") from error


def _settle(data: Mapping[str, Any], file: Path, notices: NoticeBoard) -> Settings:
    """The valid values as settings; one notice names the others."""
    known = {name: value for name, value in data.items() if name in schema.DEFAULTS}
    errors = {name: error for name, value in known.items() if (error := _error(name, value)) is not None}
    unknown = [name for name in data if name not in known]
    if errors or unknown:
        # Only the first of many unknown names get a suggestion: each takes a millisecond.
        named = [*errors.values(), *(_error(name, data[name]) for name in unknown[:N_NAMED])][:N_NAMED]
        n_more = len(errors) + len(unknown) - len(named)
        more = f" ({n_more} more.)" if n_more else ""
        text = f"Part of the settings in {file} is not used. {' '.join(map(str, named))}{more}"
        _warn(notices, LOAD_KEY, text, "All other settings are used.")
    return Settings(**{name: value for name, value in known.items() if name not in errors})


def _error(name: str, value: Any) -> SettingsError | None:
    try:
        schema.check(name, value)
    except SettingsError as error:
        return error
    return None


def _keep_broken(file: Path) -> str:
    broken = file.with_name(file.name + ".broken")
    try:
        os.replace(file, broken)
    except OSError:
        return ""
    return f"; your file is kept as {broken.name}"


def _warn(notices: NoticeBoard, key: str, text: str, what_to_do: str) -> None:
    notices.warning(key, text, " ".join(what_to_do.split()))
