"""Profiles: sets of settings with a name; presets are shipped with the program.

A profile is a settings file in its own folder, so that reading and migration are the same, and the user can share
it. It does not contain what belongs to one machine, such as the position of the window.

While a profile is in use, a separate file keeps the user's own settings.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.settings import store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

SUFFIX = ".json"
MAX_NAME_LENGTH = 60
# A file name has at most 255 bytes; suffixes and temporary names need some of them.
MAX_NAME_BYTES = 200
# Characters that a file system refuses, and names that Windows reserves for devices.
NO_CHARACTERS = '<>:"/\\|?*'
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Control characters, surrogates, line separators, and marks of text direction; Persian, Hindi and emoji need the
# joiners below.
NO_CATEGORIES = ("Cc", "Cs", "Cf", "Zl", "Zp")
JOINERS = "\u200c\u200d"
LOCAL_FIELDS = ("profile", "window_geometry", "is_muted", "browser_port", "obs_port", "is_following", "webcam")
# A preset changes these settings and keeps all others.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "Stream beside a game": {
        "fps": 30, "lookahead_ms": 80, "precision": "auto", "background": "checker", "is_browser_on": True,
        "is_camera_on": False, "is_hud_visible": False, "is_kiosk": False,
    },
    "Meeting": {
        "fps": 30, "lookahead_ms": 40, "precision": "auto", "background": "colour", "is_camera_on": True,
        "camera_size": "meeting", "is_browser_on": False, "noise_suppression": "mild", "is_kiosk": False,
    },
    "Event booth": {
        "fps": 25, "lookahead_ms": 160, "precision": "auto", "background": "colour", "noise_suppression": "strong",
        "is_auto_gain_on": True, "is_kiosk": True,
    },
}  # fmt: skip


def names(paths: ProfilePaths) -> tuple[str, ...]:
    """Names of the user's profiles, without presets."""
    found = (file.stem for file in paths.profiles_dir.glob(f"*{SUFFIX}") if file.is_file())
    return tuple(sorted(found, key=str.lower))


def load(paths: ProfilePaths, name: str, current: Settings, notices: NoticeBoard) -> Settings:
    """Settings of a profile or preset; what belongs to the machine is taken from `current`.

    Raises:
        SettingsError: there is no such profile, or its file is damaged; the message lists the existing ones.
    """
    if name in PRESETS:
        return current.replace(**PRESETS[name], profile=name)
    file = _file(paths, name)
    if not file.exists():
        known = ", ".join((*names(paths), *PRESETS))
        raise SettingsError(f"There is no profile {name!r}.", f"Use one of: {known}.")
    return _with_local(store.read(file, notices), current).replace(profile=name)


def own(paths: ProfilePaths, settings: Settings, notices: NoticeBoard) -> Settings:
    """The user's own settings, also while a profile is in use.

    A preset replaces some settings; the others are the user's own and are taken from `settings`.
    """
    if not settings.profile:
        return settings
    try:
        kept = store.read(paths.own_file, notices)
    except SettingsError as error:
        notices.error("profile", error)
        return settings.replace(profile="")
    if settings.profile in PRESETS:
        replaced = {name: getattr(kept, name) for name in PRESETS[settings.profile]}
        return settings.replace(**replaced, profile="")
    return _with_local(kept, settings).replace(profile="")


def keep_own(paths: ProfilePaths, settings: Settings) -> None:
    """Save the user's own settings while a profile is in use.

    Raises:
        SettingsError: the file cannot be written.
    """
    export(paths.own_file, settings)


def save(paths: ProfilePaths, name: str, settings: Settings) -> None:
    """Save settings as a profile; an older profile of that name is replaced.

    Raises:
        SettingsError: the name cannot be used, or the file cannot be written.
    """
    export(_file(paths, name), settings)


def delete(paths: ProfilePaths, name: str) -> None:
    """Delete a profile; an unknown one is ignored.

    Raises:
        SettingsError: its file cannot be removed.
    """
    try:
        _file(paths, name).unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"The profile {name!r} cannot be deleted: {error.strerror}.", "Try again.") from error


def export(file: Path, settings: Settings) -> None:
    """Write settings to a file that `import_file` reads on any machine.

    Raises:
        SettingsError: it cannot be written.
    """
    values = {key: value for key, value in settings.to_json().items() if key not in LOCAL_FIELDS}
    try:
        write_text(file, json.dumps(values, indent=2) + "\n", is_private=True)
    except OSError as error:
        raise SettingsError(
            f"The profile cannot be written to {file}: {error.strerror or error}.", "Choose another folder."
        ) from error


def import_file(paths: ProfilePaths, file: Path, notices: NoticeBoard) -> str:
    """Add a file that `export` wrote as a profile; returns its name.

    Raises:
        SettingsError: it is not a profile, or cannot be saved.
    """
    settings, name, k = store.read(file, notices), _usable(file.stem), 2
    # Some file systems do not distinguish `show` and `Show`.
    taken = {other.casefold() for other in (*names(paths), *PRESETS)}
    while name.casefold() in taken:
        name, k = f"{_usable(file.stem, n_spare=5)} {k}", k + 1
    save(paths, name, settings)
    return name


def _with_local(settings: Settings, current: Settings) -> Settings:
    return replace(settings, **{name: getattr(current, name) for name in LOCAL_FIELDS})


def _file(paths: ProfilePaths, name: str) -> Path:
    """File of a profile; a name is not a path.

    Raises:
        SettingsError: the name cannot be used.
    """
    if name in PRESETS:
        raise SettingsError(f"{name!r} is a preset of the program.", "Choose another name.")
    is_short = len(name) <= MAX_NAME_LENGTH and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
    if not name or not is_short or name != _trimmed(name) or not all(map(_is_usable, name)) or DEVICES.fullmatch(name):
        raise SettingsError(
            f"A profile cannot be named {name!r}.",
            f"Use at most {MAX_NAME_LENGTH} characters, but none of {' '.join(NO_CHARACTERS)}.",
        )
    return paths.profiles_dir / f"{name}{SUFFIX}"


def _usable(text: str, n_spare: int = 0) -> str:
    """The valid name nearest to a text, with room for `n_spare` more ASCII characters."""
    name = "".join(character if _is_usable(character) else "_" for character in text)[: MAX_NAME_LENGTH - n_spare]
    name = _trimmed(name.encode("utf-8")[: MAX_NAME_BYTES - n_spare].decode("utf-8", "ignore"))
    return f"{name}_" if DEVICES.fullmatch(name) else name or "Profile"


def _trimmed(name: str) -> str:
    """Without leading and trailing dots and spaces: Windows strips them, and a leading dot hides a file."""
    while (trimmed := name.strip().strip(".")) != name:
        name = trimmed
    return name


def _is_usable(character: str) -> bool:
    """Whether a name may contain a character: letters, marks, digits and symbols of any script."""
    is_text = unicodedata.category(character) not in NO_CATEGORIES or character in JOINERS
    return is_text and character not in NO_CHARACTERS
