"""The user's own avatars: list, rename, delete, export as one file, import such a file."""

from avatar_app.live.library.export_file import export_avatar
from avatar_app.live.library.ids import id_for
from avatar_app.live.library.import_file import import_avatar
from avatar_app.live.library.own import (
    OwnAvatar,
    delete_avatar,
    library_state,
    list_own,
    made_state,
    rename_avatar,
)

__all__ = [
    "OwnAvatar",
    "delete_avatar",
    "export_avatar",
    "id_for",
    "import_avatar",
    "library_state",
    "list_own",
    "made_state",
    "rename_avatar",
]
