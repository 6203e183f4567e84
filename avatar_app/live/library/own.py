"""Lists, renames and deletes the user's avatars, with their models and recordings."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.atomic_file import REPLACED_FOLDER, UNFINISHED_FOLDER, write_text
from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError, InputFileError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.file_lock import FileLock
from avatar_app.contracts.input_file import read_object, reason
from avatar_app.live.frame.avatar_folder import DESCRIPTION, list_avatars, read_description
from avatar_app.live.library.ids import is_usable_id, shipped_avatar_ids
from avatar_app.live.student import ranking
from avatar_app.live.student.folder import MANIFEST
from avatar_app.settings.paths import ENROLMENT_LOCK, ProfilePaths

MAX_TITLE_CHARACTERS = 60
TRY_AGAIN = "Close programs that use these files, then delete the avatar again."


@dataclass(frozen=True, slots=True)
class OwnAvatar:
    """An avatar in the user's data folder.

    Attributes:
        id: name of its folder.
        title: display name.
        consent: permission of the person; None if there is none.
        size_bytes: of the avatar and its models, without the recording.
        has_recording: whether the recording or other files of its enrolment are still there.
        models: ids of its own models.
        problem: why it cannot be used; empty for a good one.
    """

    id: str
    title: str
    consent: Consent | None
    size_bytes: int
    has_recording: bool
    models: tuple[str, ...]
    problem: str = ""


def list_own(paths: ProfilePaths) -> list[OwnAvatar]:
    """The user's avatars by title, also damaged ones."""
    avatars_dir = paths.avatars_dir
    folders = [folder for folder in list_avatars(user_dir=avatars_dir) if folder.parent == avatars_dir]
    return sorted((_own(folder, paths) for folder in folders), key=lambda avatar: avatar.title.lower())


def library_state(paths: ProfilePaths) -> object:
    """A value that is equal as long as the user's avatars and models are the same; cheap enough for once a second."""
    files = (*paths.avatars_dir.glob(f"*/{DESCRIPTION}"), *paths.models_dir.glob(f"*/{MANIFEST}"))
    found = set()
    for file in files:
        # It may be deleted just now.
        with contextlib.suppress(OSError):
            facts = file.stat()
            found.add((str(file), facts.st_mtime_ns, facts.st_size))
    return frozenset(found)


def made_state(avatar_id: str, paths: ProfilePaths) -> object:
    """A value that changes when an avatar of the user or a model of it is made again, and not when it is renamed."""
    found = set()
    for folder in (paths.avatars_dir / avatar_id, *own_models(avatar_id, paths)):
        with contextlib.suppress(OSError):
            facts = folder.stat()
            found.add((str(folder), facts.st_dev, facts.st_ino))
    return frozenset(found)


def own_folder(avatar_id: str, paths: ProfilePaths) -> Path:
    """Folder of one of the user's avatars.

    Raises:
        AvatarError: it belongs to the program, or does not exist; the message lists those that exist.
    """
    _require_own_id(avatar_id)
    found = {avatar.id for avatar in list_own(paths)}
    if avatar_id not in found:
        raise _unknown(avatar_id, found)
    return paths.avatars_dir / avatar_id


def own_models(avatar_id: str, paths: ProfilePaths) -> tuple[Path, ...]:
    """Folders of the models that the user has for an avatar."""
    return tuple(folder for folder in _model_folders(avatar_id, paths) if is_usable_id(folder.name))


def rename_avatar(avatar_id: str, title: str, paths: ProfilePaths) -> None:
    """Change the display name of one of the user's avatars; its id and its folder stay.

    Raises:
        AvatarError: there is no such avatar, the title cannot be used, or the avatar cannot be written.
    """
    title = checked_title(title)
    with alone(paths):
        folder = own_folder(avatar_id, paths)
        text = json.dumps({**read_description(folder), "title": title}, indent=1, ensure_ascii=False)
        try:
            write_text(folder / DESCRIPTION, text + "\n")
        except OSError as error:
            raise AvatarError(
                f"The avatar {avatar_id} cannot be renamed ({reason(error)}).", "Make its folder writable."
            ) from error


def checked_title(title: str) -> str:
    """A title without surrounding spaces.

    Raises:
        AvatarError: it is empty or too long, or has characters that cannot be displayed.
    """
    title = " ".join(title.split())
    if title and len(title) <= MAX_TITLE_CHARACTERS and title.isprintable():
        return title
    raise AvatarError(
        f"An avatar cannot be named {shown(title)}.", f"Use 1 to {MAX_TITLE_CHARACTERS} letters, digits and spaces."
    )


def delete_avatar(avatar_id: str, paths: ProfilePaths) -> None:
    """Delete one of the user's avatars: its folder, its models, its recording, and what the cache has of it.

    Every part is tried; nothing goes into a recycle bin. Copies that the user exported stay.

    Raises:
        AvatarError: there is no such avatar, it belongs to the program, it is being made, or some files are left.
    """
    _require_own_id(avatar_id)
    with alone(paths):
        models = _model_folders(avatar_id, paths)
        folders = [folder for root in _parts(avatar_id, paths) for folder in _with_leftovers(root)]
        folders = [folder for folder in (*folders, *models) if folder.exists() or folder.is_symlink()]
        if not folders:
            raise _unknown(avatar_id, {avatar.id for avatar in list_own(paths)})
        _require_idle(avatar_id, paths)
        left = [path for folder in folders for path in _delete(folder)]
        for model in models:
            ranking.forget(model.name, paths.cache_dir)
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise AvatarError(f"The avatar {avatar_id} is not deleted completely: {left[0]}{more} are left.", TRY_AGAIN)


@contextlib.contextmanager
def alone(paths: ProfilePaths) -> Iterator[None]:
    """Keep other processes from changing the user's avatars while the block runs.

    Raises:
        AvatarError: another process changes them, or the folder cannot be written.
    """
    try:
        paths.state_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(paths.state_dir / "avatars.lock")
        is_ours = lock.acquire()
    except OSError as error:
        raise AvatarError(
            f"The folder {paths.state_dir} cannot be written to ({reason(error)}).", "Choose another --profile-dir."
        ) from error
    if not is_ours:
        raise AvatarError("Another window or command is changing your avatars.", "Wait until it ends, then try again.")
    try:
        yield
    finally:
        lock.release()


def _own(folder: Path, paths: ProfilePaths) -> OwnAvatar:
    models = own_models(folder.name, paths)
    title, consent, problem = folder.name, None, ""
    try:
        spec = AvatarSpec.from_json(read_description(folder), str(folder / DESCRIPTION))
        title, consent = spec.title, spec.consent
    except AvatarError as error:
        problem = error.what
    return OwnAvatar(
        id=folder.name,
        title=title,
        consent=consent,
        size_bytes=sum(_size_bytes(part) for part in (folder, *models)),
        has_recording=has_files(paths.enrolments_dir / folder.name),
        models=tuple(model.name for model in models),
        problem=problem,
    )


def has_files(folder: Path) -> bool:
    """Whether a folder has anything in it."""
    return folder.is_dir() and any(folder.iterdir())


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _model_folders(avatar_id: str, paths: ProfilePaths) -> tuple[Path, ...]:
    """As `own_models`, with those that an interrupted writer or deletion left."""
    folders = (file.parent for file in sorted(paths.models_dir.glob(f"*/{MANIFEST}")))
    return tuple(folder for folder in folders if _avatar_of(folder) == avatar_id)


def _avatar_of(model: Path) -> str:
    """The avatar that a model was made for; empty if that cannot be read."""
    try:
        return str(read_object(model / MANIFEST).get("avatar_id", ""))
    except InputFileError:
        return ""


def _require_own_id(avatar_id: str) -> None:
    """Check an id before it becomes part of a path.

    Raises:
        AvatarError: it is the id of a shipped avatar, or no id.
    """
    if avatar_id.lower() in shipped_avatar_ids():
        raise AvatarError(f"The avatar {avatar_id} belongs to the program.", "Choose one of your own avatars.")
    if not is_usable_id(avatar_id):
        raise AvatarError(f"There is no avatar named {shown(avatar_id)}.", "Choose one of your own avatars.")


def _parts(avatar_id: str, paths: ProfilePaths) -> tuple[Path, Path]:
    """The recording first: it is what the user least wants to be left."""
    return paths.enrolments_dir / avatar_id, paths.avatars_dir / avatar_id


def _with_leftovers(folder: Path) -> tuple[Path, ...]:
    """A folder, and what an interrupted writer or deletion of it left."""
    return (folder, *(folder.with_name(folder.name + end) for end in (UNFINISHED_FOLDER, REPLACED_FOLDER)))


def _require_idle(avatar_id: str, paths: ProfilePaths) -> None:
    """Check that no enrolment of the avatar runs.

    Raises:
        AvatarError: one does.
    """
    lock = FileLock(paths.enrolments_dir / avatar_id / ENROLMENT_LOCK)
    with contextlib.suppress(OSError):
        if not lock.acquire():
            raise AvatarError(f"The avatar {avatar_id} is being made.", "End that first, then delete the avatar.")
    lock.release()


def _unknown(avatar_id: str, known: set[str]) -> AvatarError:
    hint = f"You have: {', '.join(sorted(known))}." if known else "You have none yet."
    return AvatarError(f"You have no avatar named {shown(avatar_id)}.", hint)


def _delete(folder: Path) -> list[Path]:
    """Delete a folder; returns the paths that are left."""
    if folder.is_symlink():
        with contextlib.suppress(OSError):
            folder.unlink()
        return [folder] if folder.is_symlink() else []
    # Out of the chooser at once, although the deletion takes a while and may be interrupted.
    if not folder.name.endswith((UNFINISHED_FOLDER, REPLACED_FOLDER)):
        with contextlib.suppress(OSError):
            folder = folder.rename(folder.with_name(folder.name + UNFINISHED_FOLDER))
    shutil.rmtree(folder, ignore_errors=True)
    left = [path for path in folder.rglob("*") if not path.is_dir()]
    return left or ([folder] if folder.exists() else [])
