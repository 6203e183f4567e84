"""Updates settings files of older versions, one version at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.fields import shown
from avatar_app.settings.schema import SETTINGS_VERSION

Migration = Callable[[dict[str, Any]], dict[str, Any]]

# By the version that the function reads; it returns the next one. The first version is 1.
MIGRATIONS: Mapping[int, Migration] = {}


def migrate(
    data: Mapping[str, Any], migrations: Mapping[int, Migration] = MIGRATIONS, newest: int = SETTINGS_VERSION
) -> dict[str, Any]:
    """The settings in the newest layout, without the version; a file without a version counts as the newest.

    Raises:
        SettingsError: the file is from a newer program, or its version is not a number.
    """
    values = dict(data)
    version = values.pop("version", newest)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= newest:
        raise SettingsError(
            f"The settings file has the version {shown(version)}; this program reads up to {newest}.",
            "Update the program to use them.",
        )
    for step in range(version, newest):
        values = migrations[step](values)
    return values
