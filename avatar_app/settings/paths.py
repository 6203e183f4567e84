"""Folders of the program and of its user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "avatar-app"
HOME_VARIABLE = "AVATAR_APP_HOME"
# In the folder of an enrolment, while a process works on it.
ENROLMENT_LOCK = "running.lock"


def repo_root() -> Path:
    """Folder that holds `assets` and `models`: `$AVATAR_APP_HOME`, else the one beside the package."""
    override = os.environ.get(HOME_VARIABLE)
    return user_path(override) if override else Path(__file__).resolve().parents[2]


def user_path(text: str | Path) -> Path:
    """The path as written if it exists, else with `~` expanded; any text is allowed."""
    typed = Path(text)
    # `Path.expanduser` fails where there is no such user.
    return typed if os.path.lexists(typed) else Path(os.path.expanduser(typed))


def assets_dir() -> Path:
    """Folder of avatars, icons, sounds and style sheets."""
    return repo_root() / "assets"


def models_dir() -> Path:
    """Folder of the students and their registry."""
    return repo_root() / "models"


def demo_sample() -> Path:
    """The speech sample that plays when there is no microphone."""
    return assets_dir() / "sounds" / "demo.flac"


@dataclass(frozen=True, slots=True)
class ProfilePaths:
    """The user's folders; reading them creates nothing.

    Attributes:
        dir: one folder for everything (`--profile-dir`); None means the folders of the platform.
    """

    dir: Path | None = None

    @property
    def config_file(self) -> Path:
        """The settings."""
        base = self.dir or Path(platformdirs.user_config_dir(APP_NAME, appauthor=False))
        return base / "settings.json"

    @property
    def profiles_dir(self) -> Path:
        """Saved profiles."""
        return self.config_file.parent / "profiles"

    @property
    def own_file(self) -> Path:
        """The user's own settings while a profile is in use."""
        return self.config_file.with_name("own-settings.json")

    @property
    def cache_dir(self) -> Path:
        """What the program can recreate: compiled models, speed rankings."""
        return self.dir / "cache" if self.dir else Path(platformdirs.user_cache_dir(APP_NAME, appauthor=False))

    @property
    def models_dir(self) -> Path:
        """Models that the user made or imported; none of them is ever the default."""
        base = self.dir or Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))
        return base / "models"

    @property
    def avatars_dir(self) -> Path:
        """Avatars of the user; a shipped avatar hides one of the same name."""
        base = self.dir or Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))
        return base / "avatars"

    @property
    def enrolments_dir(self) -> Path:
        """Enrolments in progress, one folder for each avatar: the recording, and the results of each step."""
        base = self.dir or Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))
        return base / "enrolments"

    @property
    def log_dir(self) -> Path:
        """Log files."""
        return self.dir / "log" if self.dir else Path(platformdirs.user_log_dir(APP_NAME, appauthor=False))

    @property
    def state_dir(self) -> Path:
        """State that is not a setting: the lock of the running program, the token of the browser source."""
        return self.dir / "state" if self.dir else Path(platformdirs.user_state_dir(APP_NAME, appauthor=False))
