"""The kinds of avatars, and how each is opened. A new kind is a module with a `Renderable` and a `Renderer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.renderer import Renderable
from avatar_app.live.frame.avatar_folder import find_avatar, read_description
from avatar_app.live.frame.picture_renderer import PictureAvatar
from avatar_app.live.frame.posed_renderer import PosedAvatar

# By the `kind` in `avatar.json`.
AVATAR_KINDS: dict[str, Callable[[Path], Renderable]] = {
    "picture": PictureAvatar.open,
    "posed": PosedAvatar.open,
}
# For a description without a kind: the head turns if the folder has poses.
DEFAULT_KIND = "posed"


def load_avatar(avatar_id: str, assets_dir: Path | None = None, user_dir: Path | None = None) -> Renderable:
    """Open an avatar of any kind; for the arguments see `list_avatars`.

    Raises:
        AvatarError: there is no such avatar, it is of an unknown kind, or a file of it is missing or damaged.
    """
    return open_avatar(find_avatar(avatar_id, assets_dir, user_dir))


def open_avatar(folder: Path) -> Renderable:
    """Open an avatar folder of any kind.

    Raises:
        AvatarError: it is of an unknown kind, or a file of it is missing or damaged.
    """
    kind = str(read_description(folder).get("kind", DEFAULT_KIND))
    if kind not in AVATAR_KINDS:
        raise AvatarError(
            f"The avatar {folder.name} is of the kind {shown(kind)}, which this version does not support.",
            "Update the program, or choose another avatar.",
        )
    return AVATAR_KINDS[kind](folder)
