"""The folders of enrolments in the user's data: made, listed, and cleared for another recording."""

from __future__ import annotations

import logging
import re
import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.enrol_request import FILE_NAME, RECORDING_FOLDER, TEXT_NAME, EnrolRequest, read_request
from avatar_app.contracts.errors import InputFileError
from avatar_app.settings.paths import ProfilePaths

log = logging.getLogger(__name__)

MAX_ID_CHARACTERS = 40
FALLBACK_ID = "avatar"
# In the folder of an enrolment whose avatar the user has kept, with its recording.
KEPT_NAME = "kept"
OURS = (FILE_NAME, RECORDING_FOLDER, TEXT_NAME, KEPT_NAME)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment on disk.

    Attributes:
        id: of the folder and of the avatar.
        folder: of the enrolment.
        request: what is made.
    """

    id: str
    folder: Path
    request: EnrolRequest

    @property
    def recording(self) -> Path:
        """The folder of what the wizard recorded."""
        return self.folder / RECORDING_FOLDER


def unfinished(paths: ProfilePaths) -> tuple[Enrolment, ...]:
    """The enrolments whose avatar was not kept yet, by name; damaged ones are logged and left out."""
    found = []
    for folder in sorted(paths.enrolments_dir.glob("*")):
        if not (folder / FILE_NAME).is_file() or (folder / KEPT_NAME).exists():
            continue
        with suppress(InputFileError):
            found.append(Enrolment(folder.name, folder, read_request(folder)))
    return tuple(sorted(found, key=lambda one: one.request.name.lower()))


def new_id(name: str, folders: Iterable[Path]) -> str:
    """An id for a name that is no folder yet in any of `folders`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_ID_CHARACTERS].strip("-") or FALLBACK_ID
    # Names of files do not differ by case on Windows and macOS.
    taken = {path.name.lower() for folder in folders for path in folder.glob("*")}
    numbered = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)


def clear_results(folder: Path) -> None:
    """Delete what was made from an older recording; the request and the recording stay.

    Raises:
        OSError: something cannot be deleted.
    """
    for path in folder.glob("*"):
        if path.name in OURS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
