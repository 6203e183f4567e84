"""The folders of enrolments in the user's data: made, listed, and cleared for another recording."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.enrol_request import (
    FILE_NAME,
    RECORDING_FOLDER,
    TEXT_NAME,
    EnrolRequest,
    read_request,
    write_request,
)
from avatar_app.contracts.errors import InputFileError
from avatar_app.live.library.ids import free_id, id_for, taken_avatar_ids
from avatar_app.settings.paths import ProfilePaths

log = logging.getLogger(__name__)

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
    return tuple(one for one in _all(paths) if not (one.folder / KEPT_NAME).exists())


def kept(paths: ProfilePaths) -> tuple[Enrolment, ...]:
    """The enrolments of kept avatars whose recording the user keeps, by name."""
    return tuple(one for one in _all(paths) if (one.folder / KEPT_NAME).exists())


def _all(paths: ProfilePaths) -> tuple[Enrolment, ...]:
    found = []
    for folder in sorted(paths.enrolments_dir.glob("*")):
        if not (folder / FILE_NAME).is_file():
            continue
        try:
            found.append(Enrolment(folder.name, folder, read_request(folder)))
        except InputFileError as error:
            log.warning("skipped the enrolment %s: %s", folder, error)
    return tuple(sorted(found, key=lambda one: one.request.name.lower()))


def new_enrolment(paths: ProfilePaths, request: EnrolRequest) -> Enrolment:
    """Begin an enrolment: a folder with an id that no avatar has.

    Raises:
        OSError: the folder cannot be written.
    """
    avatar_id = free_id(id_for(request.name), taken_avatar_ids(paths))
    folder = paths.enrolments_dir / avatar_id
    write_request(folder, request)
    return Enrolment(avatar_id, folder, request)


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
