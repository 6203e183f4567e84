"""Writes an avatar of the user and its models to one file, see `contents`; never the recording."""

from __future__ import annotations

import errno
import hashlib
import json
import zipfile
from pathlib import Path

from avatar_app import __version__
from avatar_app.contracts.atomic_file import replacing
from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError, InputFileError, OutputError
from avatar_app.contracts.input_file import read_bytes, reason
from avatar_app.live.frame.avatar_folder import DESCRIPTION, read_description
from avatar_app.live.library.contents import (
    AVATAR,
    CONTENTS,
    MAX_BYTES,
    MODELS,
    SUFFIX,
    Contents,
    Listed,
    is_name,
    suffix_of,
)
from avatar_app.live.library.own import own_folder, own_models
from avatar_app.live.student.folder import read_manifest
from avatar_app.settings.paths import ProfilePaths, user_path

# The same bytes for the same avatar, whenever and wherever it is written.
EPOCH = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o100644 << 16
# Other kinds are compressed already, or hardly get smaller.
DEFLATED = frozenset((".json", ".md", ".svg"))
NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
BUILD_AGAIN = "Make the avatar again, or choose another one."


def export_avatar(avatar_id: str, file: Path, paths: ProfilePaths) -> Path:
    """Write an avatar and its models to one file.

    Args:
        avatar_id: one of the user's avatars.
        file: to write or to replace; `.avatar` is added where it is missing. A folder gets a file `<id>.avatar`.
        paths: the user's folders.

    Returns:
        The file.

    Raises:
        AvatarError: there is no such avatar, or a file of it is missing or damaged.
        ModelError: a model of it is damaged.
        OutputError: the file cannot be written.
    """
    folder, models = own_folder(avatar_id, paths), own_models(avatar_id, paths)
    sources = _files(AVATAR, folder)
    for model in models:
        sources |= _files(f"{MODELS}/{model.name}", model)
    _require_complete(folder, models, sources)
    contents = Contents(
        __version__,
        avatar_id,
        tuple(model.name for model in models),
        {name: _listed(name, sources) for name in sources},
    )
    target = _target(file, avatar_id)
    try:
        with replacing(target) as temporary, zipfile.ZipFile(temporary, "x", allowZip64=False) as packed:
            packed.writestr(_entry(CONTENTS), json.dumps(contents.to_json(), indent=1) + "\n")
            for name, listed in contents.files.items():
                packed.writestr(_entry(name), _read(sources[name], listed))
    except (OSError, zipfile.LargeZipFile) as error:
        raise write_error(target, error, "Choose another folder.") from error
    return target


def write_error(file: Path, error: Exception, what_to_do: str) -> OutputError:
    """What to say when a file or a folder cannot be written."""
    code = getattr(error, "errno", None)
    if isinstance(error, zipfile.LargeZipFile):
        return OutputError(f"The avatar is too large for the file {file}.", BUILD_AGAIN)
    if code in NO_SPACE:
        return OutputError(f"There is no space left for {file}.", f"Free some space. {what_to_do}")
    if code in NO_PERMISSION:
        return OutputError(f"You may not write to {file}.", what_to_do)
    return OutputError(f"{file} cannot be written ({reason(error)}).", what_to_do)


def _target(file: Path, avatar_id: str) -> Path:
    file = user_path(file)
    if file.is_dir():
        return file / f"{avatar_id}{SUFFIX}"
    return file if file.suffix.lower() == SUFFIX else file.with_name(file.name + SUFFIX)


def _files(prefix: str, folder: Path) -> dict[str, Path]:
    """The files that belong into an avatar file, by their names there; what a desktop puts beside them stays."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = f"{prefix}/{path.relative_to(folder).as_posix()}"
        if is_name(name) and path.is_file() and not path.is_symlink():
            found[name] = path
    return found


def _require_complete(folder: Path, models: tuple[Path, ...], sources: dict[str, Path]) -> None:
    """Check that every file that the avatar and its models name is there.

    Raises:
        AvatarError: one is missing, or a description cannot be used.
        ModelError: a manifest cannot be used.
    """
    spec = AvatarSpec.from_json(read_description(folder), str(folder / DESCRIPTION))
    named = [f"{AVATAR}/{name}" for name in (*spec.idle_files, *spec.alpha_files, spec.mask_file, spec.reference_file)]
    for model in models:
        manifest = read_manifest(model)
        files = (*manifest.files.values(), manifest.golden_file, *([manifest.face_file] if manifest.face_file else []))
        named += [f"{MODELS}/{model.name}/{file.name}" for file in files]
    missing = [name for name in named if name not in sources]
    if missing:
        raise AvatarError(f"The avatar {folder.name} is not complete: {missing[0]} is missing.", BUILD_AGAIN)


def _listed(name: str, sources: dict[str, Path]) -> Listed:
    try:
        content = read_bytes(sources[name], MAX_BYTES[suffix_of(name)])
    except InputFileError as error:
        raise AvatarError(f"The file {sources[name]} cannot be used: {error}.", BUILD_AGAIN) from error
    return Listed(name, len(content), hashlib.sha256(content).hexdigest())


def _read(path: Path, listed: Listed) -> bytes:
    """The bytes that were listed.

    Raises:
        AvatarError: another program has changed the file since.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise AvatarError(f"The file {path} changed while it was exported.", "Export the avatar again.")
    return content


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED if suffix_of(name) in DEFLATED else zipfile.ZIP_STORED
    entry.create_system, entry.external_attr = 3, FILE_MODE
    return entry
