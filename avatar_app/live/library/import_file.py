"""Adds the avatar of a file to the user's avatars: unpacked beside them, checked, opened once, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError, InputFileError, UserError
from avatar_app.contracts.input_file import read_arrays, read_bytes, read_object
from avatar_app.live.frame import Avatar, open_avatar
from avatar_app.live.frame.avatar_folder import DESCRIPTION, read_description
from avatar_app.live.library.archive import Archive, opened_archive, tampered
from avatar_app.live.library.contents import AVATAR, MAX_BYTES, MODELS, folder_of, suffix_of
from avatar_app.live.library.export_file import write_error
from avatar_app.live.library.ids import free_id, taken_avatar_ids, taken_model_ids
from avatar_app.live.library.own import alone
from avatar_app.live.student import load_folder
from avatar_app.live.student.folder import MANIFEST, read_manifest, verified_bytes
from avatar_app.live.student.onnx_graph import is_whole
from avatar_app.settings.paths import ProfilePaths, user_path

SPARE_BYTES = 100_000_000
# An SVG picture that a browser opens can run scripts and load other files.
ACTIVE_SVG = re.compile(rb"<\s*script|<\s*foreignobject|<\s*iframe|<!\s*(doctype|entity)|javascript:|[\s\"'/]on\w+\s*=",
                        re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _NewIds:
    """Ids of an imported avatar and its models, by those in the file."""

    avatar: Mapping[str, str]
    models: Mapping[str, str]

    def folder(self, prefix: str, paths: ProfilePaths) -> Path:
        """Where the folder `avatar` or `models/<id>` of the file goes."""
        if prefix == AVATAR:
            return paths.avatars_dir / next(iter(self.avatar.values()))
        return paths.models_dir / self.models[prefix.partition("/")[2]]


def import_avatar(file: Path, paths: ProfilePaths) -> str:
    """Add the avatar of a file that `export_avatar` wrote, on this or another machine.

    If there is another avatar or model of the same id, the new one gets the id `<id>-2`. Nothing of the file is
    executed, and an avatar that cannot be opened is not added.

    Args:
        file: the avatar file.
        paths: the user's folders.

    Returns:
        The id of the new avatar.

    Raises:
        AvatarError: the file cannot be used; the message says why.
        OutputError: the avatar cannot be written.
    """
    file = user_path(file)
    with opened_archive(file) as archive, alone(paths):
        ids = _new_ids(archive, paths)
        try:
            _check_space(file, archive, paths)
            _install(file, archive, ids, paths)
        except OSError as error:
            raise write_error(paths.avatars_dir, error, "Import the avatar again afterwards.") from error
    return next(iter(ids.avatar.values()))


def _new_ids(archive: Archive, paths: ProfilePaths) -> _NewIds:
    avatar, models = archive.contents.avatar, {}
    taken = taken_model_ids(paths)
    for model in archive.contents.models:
        models[model] = free_id(model, taken)
        taken.add(models[model].lower())
    return _NewIds({avatar: free_id(avatar, taken_avatar_ids(paths))}, models)


def _check_space(file: Path, archive: Archive, paths: ProfilePaths) -> None:
    """Check that there is room before anything is written.

    Raises:
        AvatarError: there is not.
    """
    paths.avatars_dir.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(paths.avatars_dir).free, archive.contents.total_bytes + SPARE_BYTES
    if free < needed:
        raise AvatarError(
            f"The avatar in {file} needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free.",
            "Free some space, then import it again.",
        )


def _install(file: Path, archive: Archive, ids: _NewIds, paths: ProfilePaths) -> None:
    """Unpack, check and rename; an error leaves nothing behind."""
    prefixes = (AVATAR, *(f"{MODELS}/{model}" for model in archive.contents.models))
    targets = {prefix: ids.folder(prefix, paths) for prefix in prefixes}
    try:
        with ExitStack() as stack:
            # Renamed in reverse order: when the avatar appears, its models are there.
            folders = {prefix: stack.enter_context(replacing_folder(targets[prefix])) for prefix in prefixes}
            for name in archive.contents.files:
                prefix = folder_of(name)
                target = folders[prefix] / name.removeprefix(f"{prefix}/")
                archive.unpack(name, target)
                with _checking(file, folders):
                    _check_file(target)
            with _checking(file, folders):
                _use_new_ids(folders, ids)
                _try_out(folders)
    except BaseException:
        for folder in targets.values():
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _checking(file: Path, folders: Mapping[str, Path]) -> Iterator[None]:
    """Turn what is wrong with the unpacked files into one sentence about the avatar file."""
    try:
        yield
    except InputFileError as error:
        raise tampered(file, str(error)) from error
    except UserError as error:
        text = error.what.rstrip(".")
        # The temporary folder is gone when the user reads this.
        for folder in folders.values():
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "it")
        raise AvatarError(
            f"The avatar in {file} cannot be used: {text[:1].lower()}{text[1:]}.",
            "Update the program, or export the avatar again.",
        ) from error


def _check_file(path: Path) -> None:
    """Check an unpacked file by its kind.

    Raises:
        InputFileError: it is not what its name says, or needs other files.
    """
    suffix = suffix_of(path.name)
    try:
        if suffix == ".npz":
            read_arrays(path, MAX_BYTES[suffix])
        elif suffix == ".json":
            read_object(path)
        elif suffix == ".onnx" and not is_whole(read_bytes(path, MAX_BYTES[suffix])):
            raise InputFileError("it refers to other files")
        elif suffix == ".svg" and ACTIVE_SVG.search(read_bytes(path, MAX_BYTES[suffix])):
            raise InputFileError("it is more than a picture")
    except InputFileError as error:
        raise InputFileError(f"{path.name}: {error}") from error
    except ValueError as error:
        raise InputFileError(f"{path.name} is not in ONNX format") from error


def _use_new_ids(folders: Mapping[str, Path], ids: _NewIds) -> None:
    """Check the ids of the descriptions, and replace those that are taken here.

    Raises:
        InputFileError: they are not those of the list.
        AvatarError, ModelError: a description cannot be used.
    """
    ((avatar_id, new_id),) = ids.avatar.items()
    spec = AvatarSpec.from_json(read_description(folders[AVATAR]), DESCRIPTION)
    if spec.id != avatar_id:
        raise InputFileError("the avatar has another id")
    changes: dict[str, Any] = {}
    if new_id != avatar_id:
        changes = {"id": new_id, "title": f"{spec.title} ({new_id.rpartition('-')[2]})"}
    models = [ids.models.get(model, model) for model in spec.models]
    _change(folders[AVATAR] / DESCRIPTION, changes | ({"models": models} if models != list(spec.models) else {}))
    for model_id, new_model_id in ids.models.items():
        folder = folders[f"{MODELS}/{model_id}"]
        model = read_manifest(folder)
        if (model.id, model.avatar_id) != (model_id, avatar_id):
            raise InputFileError("a model belongs to another avatar")
        wanted = {"id": new_model_id, "avatar_id": new_id}
        _change(folder / MANIFEST, wanted if wanted != {"id": model_id, "avatar_id": avatar_id} else {})


def _change(description: Path, changes: Mapping[str, Any]) -> None:
    """Change fields of a description; without a change the file keeps its bytes."""
    if changes:
        text = json.dumps({**read_object(description), **changes}, indent=1, ensure_ascii=False)
        description.write_text(text + "\n", encoding="utf-8")


def _try_out(folders: Mapping[str, Path]) -> None:
    """Open the avatar and its models once, with all that turning the head needs.

    Raises:
        AvatarError: the avatar cannot be used.
        ModelError: a model cannot be used.
    """
    avatar = open_avatar(folders[AVATAR])
    if isinstance(avatar, Avatar) and avatar.has_poses:
        avatar.poses()
    for prefix in folders.keys() - {AVATAR}:
        _try_out_model(folders[prefix])


def _try_out_model(folder: Path) -> None:
    spec = read_manifest(folder)
    for listed in (*spec.files.values(), spec.golden_file, *([spec.face_file] if spec.face_file else [])):
        verified_bytes(folder, listed)
    load_folder(folder).close()
