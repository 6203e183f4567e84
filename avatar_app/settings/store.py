"""Reads and writes the settings file. Neither ever raises: what went wrong becomes a notice."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avatar_app.contracts.errors import InputFileError, MissingFileError, SettingsError
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.settings import schema
from avatar_app.settings.migrations import migrate
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

_log = logging.getLogger(__name__)

LOAD_KEY = "settings-load"
SAVE_KEY = "settings-save"
MAX_BYTES = 1_000_000
N_NAMED = 3
UNFINISHED = ".tmp"


def load(paths: ProfilePaths, notices: NoticeBoard) -> Settings:
    """The saved settings, with the default in place of whatever cannot be used."""
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
    """The settings in any file; what cannot be used in it becomes a notice, and its default holds.

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
    """Write all settings in one step, so that a crash leaves the old file or the new one. False when it failed."""
    file = paths.config_file
    try:
        write(file, json.dumps(settings.to_json(), indent=2) + "\n")
    except OSError as error:
        _log.warning("cannot save settings to %s: %s", file, error)
        _warn(
            notices,
            SAVE_KEY,
            f"Your settings cannot be saved to {file.parent}: {error.strerror or error}.",
            "They hold until you quit. Make the folder writable, or start with --profile-dir DIR.",
        )
        return False
    notices.clear(SAVE_KEY)
    return True


def remove_leftovers(paths: ProfilePaths) -> None:
    """Delete what writes left behind that a crash cut off; for the one program that holds the profile."""
    for folder in (paths.config_file.parent, paths.profiles_dir, paths.state_dir, paths.cache_dir):
        for file in folder.glob(f"*.json*{UNFINISHED}"):
            with contextlib.suppress(OSError):
                file.unlink()


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
    """Keep every good value; name the bad ones in one notice."""
    known = {name: value for name, value in data.items() if name in schema.DEFAULTS}
    errors = {name: error for name, value in known.items() if (error := _error(name, value)) is not None}
    unknown = [name for name in data if name not in known]
    if errors or unknown:
        # Of many unknown names only the first are looked up: each takes a millisecond.
        named = [*errors.values(), *(_error(name, data[name]) for name in unknown[:N_NAMED])][:N_NAMED]
        n_more = len(errors) + len(unknown) - len(named)
        more = f" ({n_more} more.)" if n_more else ""
        text = f"Part of the settings in {file} is not used. {' '.join(map(str, named))}{more}"
        _warn(notices, LOAD_KEY, text, "The rest is in place.")
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


def write(file: Path, text: str) -> None:
    """Write a file in one step, so that a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _warn(notices: NoticeBoard, key: str, text: str, what_to_do: str) -> None:
    notices.post(Notice(key, Level.WARNING, text, " ".join(what_to_do.split())))
