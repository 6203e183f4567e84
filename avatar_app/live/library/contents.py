"""An avatar file: a ZIP archive of an avatar folder, its models, and a list of all files.

    contents.json           schema, version of the program, ids, and size and SHA-256 of each file
    avatar/...              the avatar folder
    models/<id>/...         each of its models

Entries are stored or deflated. There are no links, no empty folders, and no other entries. Everything here is checked
before anything is unpacked, because others may have written the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from avatar_app.contracts.fields import Within, check_fields, check_inner_path, shown
from avatar_app.live.library.ids import is_usable_id
from avatar_app.settings.profiles import DEVICES

CONTENTS_SCHEMA = 1
CONTENTS = "contents.json"
SUFFIX = ".avatar"
AVATAR, MODELS = "avatar", "models"
MAX_FILES = 10_000
MAX_TOTAL_BYTES = 2_000_000_000
MAX_DEPTH = 5
# By suffix: the largest file of each kind that the program reads.
MAX_BYTES = {
    ".json": 4_000_000,
    ".jpg": 20_000_000,
    ".png": 20_000_000,
    ".npz": 300_000_000,
    ".onnx": 500_000_000,
    ".md": 1_000_000,
    ".svg": 1_000_000,
}
SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the list.

    Raises:
        ValueError: a field is not valid.
    """

    name: str
    n_bytes: Annotated[int, Within(0, MAX_TOTAL_BYTES)]
    sha256: str

    def __post_init__(self) -> None:
        check_fields(self)
        check_name(self.name)
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("a checksum is not valid")
        if self.n_bytes > MAX_BYTES[suffix_of(self.name)]:
            raise ValueError(f"{self.name} is too large")


@dataclass(frozen=True, slots=True)
class Contents:
    """`contents.json`.

    Attributes:
        program: version that wrote the file.
        avatar: id of the avatar.
        models: ids of its models.
        files: all files but this list, by name.

    Raises:
        ValueError: a field is not valid, a name appears twice, or the files do not belong to these ids.
    """

    program: str
    avatar: str
    models: tuple[str, ...]
    files: Mapping[str, Listed]

    def __post_init__(self) -> None:
        check_fields(self)
        for name in (self.avatar, *self.models):
            if not is_usable_id(name):
                raise ValueError(f"the id {shown(name)} is not valid")
        check_names(self.files)
        folders = {folder_of(name) for name in self.files}
        if folders != {AVATAR, *(f"{MODELS}/{model}" for model in self.models)}:
            raise ValueError("the list of files does not fit the avatar and its models")
        if self.total_bytes > MAX_TOTAL_BYTES:
            raise ValueError(f"it unpacks to {self.total_bytes / 1e9:.1f} GB")

    @property
    def total_bytes(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(file.n_bytes for file in self.files.values())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contents:
        """Read the list; the caller has checked the schema.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or not valid.
        """
        entries = data["files"]
        if not isinstance(entries, list) or len(entries) > MAX_FILES:
            raise ValueError(f"it does not list at most {MAX_FILES} files")
        listed = [Listed(entry["name"], entry["bytes"], entry["sha256"]) for entry in entries]
        if len({file.name for file in listed}) != len(listed):
            raise ValueError("a name appears twice")
        return cls(data["program"], data["avatar"], tuple(data["models"]), {file.name: file for file in listed})

    def to_json(self) -> dict[str, Any]:
        """The list as JSON."""
        files = [{"name": file.name, "bytes": file.n_bytes, "sha256": file.sha256} for file in self.files.values()]
        return {
            "schema": CONTENTS_SCHEMA,
            "program": self.program,
            "avatar": self.avatar,
            "models": list(self.models),
            "files": files,
        }


def is_name(name: str) -> bool:
    """Whether a name may be in an avatar file, see `check_name`."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def check_name(name: str) -> None:
    """Check the name of a file: a kind that the program uses, and a path that is the same file on every system.

    Raises:
        ValueError: it leads out of its folder, or is no such name.
    """
    check_inner_path("a file", name)
    parts = name.split("/")
    if not all(re.fullmatch(SEGMENT, part) and not part.endswith(".") for part in parts) or len(parts) > MAX_DEPTH:
        raise ValueError(f"the name {shown(name)} is not valid")
    if any(DEVICES.fullmatch(part) for part in parts):
        raise ValueError(f"the name {shown(name)} is reserved on some systems")
    if suffix_of(name) not in MAX_BYTES:
        raise ValueError(f"{shown(name)} is of a kind that avatars do not have")
    if len(parts) < (2 if parts[0] == AVATAR else 3) or parts[0] not in (AVATAR, MODELS):
        raise ValueError(f"{shown(name)} is outside of the avatar and its models")


def check_names(names: Iterable[str]) -> None:
    """Check that names are different files on systems that ignore upper and lower case.

    Raises:
        ValueError: two are the same file there, or one is a file and a folder.
    """
    lower = [name.lower() for name in names]
    folders = {name[:at] for name in lower for at, character in enumerate(name) if character == "/"}
    if len(set(lower)) != len(lower) or folders & set(lower):
        raise ValueError("two names differ in upper and lower case only")


def folder_of(name: str) -> str:
    """`avatar` or `models/<id>`, of a checked name."""
    parts = name.split("/")
    return AVATAR if parts[0] == AVATAR else "/".join(parts[:2])


def suffix_of(name: str) -> str:
    """The suffix of a file name with its dot; case counts, because the program looks for lower case."""
    stem, dot, end = name.rpartition(".")
    return dot + end if stem else ""
