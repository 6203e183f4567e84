"""Finds avatar folders: the shipped ones in `assets/avatars`, then those in the user's data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avatar_app.contracts.atomic_file import REPLACED_FOLDER, UNFINISHED_FOLDER
from avatar_app.contracts.errors import AvatarError, InputFileError
from avatar_app.contracts.input_file import read_object
from avatar_app.settings.paths import assets_dir as shipped_assets_dir

INSTALL_AGAIN = "Install the avatar again, or choose another one."
DESCRIPTION = "avatar.json"


def list_avatars(assets_dir: Path | None = None, user_dir: Path | None = None) -> tuple[Path, ...]:
    """Folders of all avatars, the shipped ones first. A shipped avatar hides one of the user's with the same id.

    Folders that are being written or replaced are no avatars.

    Args:
        assets_dir: holds `avatars`; None means the shipped assets.
        user_dir: holds avatar folders of the user, if any.
    """
    found: dict[str, Path] = {}
    for root in ((assets_dir or shipped_assets_dir()) / "avatars", user_dir):
        for file in sorted(root.glob(f"*/{DESCRIPTION}")) if root is not None else ():
            if not file.parent.name.endswith((UNFINISHED_FOLDER, REPLACED_FOLDER)):
                found.setdefault(file.parent.name, file.parent)
    return tuple(found.values())


def find_avatar(avatar_id: str, assets_dir: Path | None = None, user_dir: Path | None = None) -> Path:
    """Folder of an avatar, one of `list_avatars`.

    Raises:
        AvatarError: there is no such avatar; the message lists those that exist.
    """
    found = {folder.name: folder for folder in list_avatars(assets_dir, user_dir)}
    if avatar_id in found:
        return found[avatar_id]
    hint = f"There are: {', '.join(sorted(found))}." if found else "Install the program again."
    raise AvatarError(f"There is no avatar named {avatar_id!r}.", hint)


def read_description(folder: Path) -> dict[str, Any]:
    """The fields of `avatar.json`.

    Raises:
        AvatarError: it cannot be read.
    """
    path = folder / DESCRIPTION
    try:
        return read_object(path)
    except InputFileError as error:
        raise AvatarError(f"The avatar description {path} cannot be used: {error}.", INSTALL_AGAIN) from error
