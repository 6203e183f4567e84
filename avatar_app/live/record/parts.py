"""Saves the files of a recording that has ended: each is remuxed into an ordinary file and renamed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.folder import final_path, next_part, write_error
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES
from avatar_app.live.record.repair import repair

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that is no longer written, and whether it has a picture."""

    file: DiskFile
    has_pictures: bool


def save(part: Part, other_folder: Path, on_progress: Callable[[float], None]) -> Path | None:
    """Close a file and save it under its final name; one without a picture is deleted.

    Args:
        part: the file.
        other_folder: where the content is copied when the file was deleted.
        on_progress: called with the progress, 0..1.

    Returns:
        The saved file; None without one.
    """
    file = part.file
    try:
        if part.has_pictures and not file.is_at_its_path:
            _restore(file, other_folder)
        file.close()
        if not part.has_pictures or file.path.stat().st_size == 0:
            file.path.unlink()
            return None
        return _save(file, on_progress)
    except (OSError, OutputError) as error:
        log.warning("%s was not saved: %s", file.path, error)
        return None
    finally:
        file.close()


def make_folder(folder: Path) -> None:
    """Create a folder for recordings if it is missing.

    Raises:
        OutputError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder / "recording", error) from error


def _restore(file: DiskFile, folder: Path) -> None:
    make_folder(folder)
    new = next_part(folder / file.path.name)
    try:
        file.restore(new)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _save(file: DiskFile, on_progress: Callable[[float], None]) -> Path:
    """Save under the final name.

    Without room for an ordinary file the recording keeps its mark, and the next start tries again; it is playable.
    """
    marked = file.path
    try:
        if marked.suffix not in FRAGMENTED_SUFFIXES and file.error is None:
            return marked.rename(final_path(marked))
        return repair(marked, on_progress)
    except (OSError, OutputError) as error:
        log.warning("%s stays fragmented: %s", marked.name, error)
        marked.stat()
        return marked
