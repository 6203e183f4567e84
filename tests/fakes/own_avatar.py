"""An avatar of the user with a model of its own, a consent, and a recording."""

import json
import zipfile
from pathlib import Path

from avatar_app.settings.paths import ProfilePaths
from tests.fakes.avatar_folder import write_avatar
from tests.fakes.model_folder import change_manifest, write_model

CONSENT = {"person": "Ada", "statement": "This is my own face.", "date": "2026-11-30"}


def write_own(paths: ProfilePaths, avatar_id: str = "ada", models: tuple[str, ...] = ("ada-hd",)) -> Path:
    """Write the avatar and its models into the user's folders; returns the avatar folder."""
    folder = write_avatar(paths.avatars_dir.parent, avatar_id)
    change_avatar(folder, title=avatar_id.title(), models=list(models), consent=CONSENT)
    for model in models:
        change_manifest(write_model(paths.models_dir / model), avatar_id=avatar_id)
    return folder


def write_recording(paths: ProfilePaths, avatar_id: str = "ada") -> Path:
    """Write an enrolment folder."""
    folder = paths.enrolments_dir / avatar_id
    (folder / "takes").mkdir(parents=True)
    (folder / "takes" / "pictures.npy").write_bytes(b"face")
    return folder


def change_avatar(folder: Path, **changes: object) -> None:
    """Overwrite fields of a description."""
    path = folder / "avatar.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def repacked(file: Path, out: Path, change=lambda entries: entries) -> Path:
    """Write an avatar file again with other entries: `change` gets and returns a list of (ZipInfo, bytes)."""
    with zipfile.ZipFile(file) as packed:
        entries = [(entry, packed.read(entry)) for entry in packed.infolist()]
    with zipfile.ZipFile(out, "w") as packed:
        for entry, content in change(entries):
            packed.writestr(entry, content)
    return out
