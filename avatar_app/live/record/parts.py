"""The files of a recording that has ended: each gets its name and becomes an ordinary file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.folder import MARK, final_path, next_part, write_error
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES
from avatar_app.live.record.repair import repair

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that nothing more is written to, and whether there is a picture in it."""

    file: DiskFile
    has_pictures: bool


def save(part: Part, other_folder: Path, on_progress: Callable[[float], None]) -> Path | None:
    """Close a file and give it its name; one without a picture is removed.

    Args:
        part: the file.
        other_folder: where it is brought when it was deleted under its name.
        on_progress: told the share that is done, 0..1.

    Returns:
        Where it is now; None when nothing is there.
    """
    file = part.file
    try:
        if part.has_pictures and not file.is_at_its_place:
            _bring_back(file, other_folder)
        file.close()
        if not part.has_pictures or file.path.stat().st_size == 0:
            file.path.unlink()
            return None
        return _named(file, on_progress)
    except (OSError, OutputError) as error:
        log.warning("%s is not there any more: %s", file.path, error)
        return None
    finally:
        file.close()


def make_folder(folder: Path) -> None:
    """Make a folder for recordings where it is missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder / "recording", error) from error


def pieces_note(paths: list[Path]) -> str:
    """What is to be known of recordings that kept their mark."""
    if not any(MARK in path.name for path in paths):
        return ""
    return " It plays in most programs; when there is room, the next start makes an ordinary file of it."


def _bring_back(file: DiskFile, folder: Path) -> None:
    make_folder(folder)
    new = next_part(folder / file.path.name)
    try:
        file.bring_back(new)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _named(file: DiskFile, on_progress: Callable[[float], None]) -> Path:
    """The film under its name; without room for an ordinary file it keeps its mark, and the next start tries again.

    Players read it as it is.
    """
    marked = file.path
    try:
        if marked.suffix not in FRAGMENTED_SUFFIXES and file.error is None:
            return marked.rename(final_path(marked))
        return repair(marked, on_progress)
    except (OSError, OutputError) as error:
        log.warning("%s keeps its mark: %s", marked.name, error)
        marked.stat()
        return marked
