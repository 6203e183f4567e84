"""`avatar-app avatars`: the user's own avatars on the command line."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.errors import AvatarError
from avatar_app.live.library import (
    OwnAvatar,
    delete_avatar,
    export_avatar,
    import_avatar,
    list_own,
    rename_avatar,
)
from avatar_app.settings.paths import ProfilePaths

YES = ("y", "yes")


def run(arguments: Namespace, paths: ProfilePaths) -> int:
    """Run one of the subcommands and print its result.

    Args:
        arguments: `what` is the subcommand; the others are its arguments.
        paths: the user's folders.

    Returns:
        0, or 1 if the user did not confirm a deletion.

    Raises:
        UserError: it failed.
    """
    commands: dict[str, Callable[[Namespace, ProfilePaths], int]] = {
        "list": _list,
        "rename": _rename,
        "delete": _delete,
        "export": _export,
        "import": _import,
    }
    return commands[arguments.what](arguments, paths)


def _list(arguments: Namespace, paths: ProfilePaths) -> int:
    del arguments
    avatars = list_own(paths)
    _print("\n".join(map(described, avatars)) or f"There are no avatars in {paths.avatars_dir}.")
    return 0


def described(avatar: OwnAvatar) -> str:
    """One line about an avatar."""
    facts = [avatar.title, f"{avatar.size_bytes / 1e6:.1f} MB"]
    facts.append(f"models: {', '.join(avatar.models)}" if avatar.models else "no model of its own")
    if avatar.consent is not None:
        facts.append(f"consent: {avatar.consent.person}, {avatar.consent.date}")
    if avatar.has_recording:
        facts.append("with its recording")
    if avatar.problem:
        facts.append(f"damaged: {avatar.problem}")
    return f"{avatar.id}: {'; '.join(facts)}"


def _rename(arguments: Namespace, paths: ProfilePaths) -> int:
    rename_avatar(arguments.id, arguments.title, paths)
    _print(f"The avatar {arguments.id} is now named {' '.join(arguments.title.split())!r}.")
    return 0


def _delete(arguments: Namespace, paths: ProfilePaths) -> int:
    if not arguments.yes and not _is_confirmed(arguments.id):
        _print("Nothing was deleted.")
        return 1
    delete_avatar(arguments.id, paths)
    _print(f"The avatar {arguments.id}, its models and its recording are deleted.")
    return 0


def _is_confirmed(avatar_id: str) -> bool:
    """Ask on the terminal.

    Raises:
        AvatarError: there is none.
    """
    if not sys.stdin.isatty():
        raise AvatarError(f"Deleting the avatar {avatar_id} needs a confirmation.", "Add --yes.")
    question = f"Delete the avatar {avatar_id}, its models and its recording? This cannot be undone. [y/N] "
    try:
        return input(question).strip().lower() in YES
    except EOFError:
        return False


def _export(arguments: Namespace, paths: ProfilePaths) -> int:
    _print(str(export_avatar(arguments.id, arguments.file, paths)))
    return 0


def _import(arguments: Namespace, paths: ProfilePaths) -> int:
    avatar_id = import_avatar(Path(arguments.file), paths)
    _print(f"The avatar is imported. Use it with: avatar-app --avatar {avatar_id}")
    return 0


def _print(text: str) -> None:
    print(text)  # noqa: T201
