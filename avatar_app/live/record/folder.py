"""Folders and names of recordings, and which of them a crash left unfinished."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

import platformdirs

from avatar_app.contracts.errors import OutputError

# A recording has this mark before its suffix until it is complete.
MARK = ".recording"
RECORDING_SUFFIXES = (".mp4", ".mov", ".webm")
OTHER_FOLDER = "Choose another folder for recordings."


def videos_folder() -> Path:
    """The user's folder for videos."""
    return Path(platformdirs.user_videos_dir())


def pictures_folder() -> Path:
    """The user's folder for pictures."""
    return Path(platformdirs.user_pictures_dir())


def marked_path(folder: Path, suffix: str, when: datetime) -> Path:
    """An unused name with the mark, for a recording that begins now."""
    return free_path(folder / f"Avatar {when:%Y-%m-%d %H.%M.%S}{MARK}{suffix}")


def next_part(marked: Path) -> Path:
    """An unused name for the file in which a recording continues."""
    return free_path(marked)


def final_path(marked: Path) -> Path:
    """An unused name without the mark, for a complete recording."""
    return free_path(marked.with_name(marked.name.replace(MARK, "")))


def free_path(wanted: Path) -> Path:
    """The given name, or with the first number that no recording, finished or unfinished, has."""
    stem, suffix = wanted.name.removesuffix(wanted.suffix), wanted.suffix
    is_marked = stem.endswith(MARK)
    stem, mark = stem.removesuffix(MARK), MARK if is_marked else ""
    number = 1
    while True:
        name = stem if number == 1 else f"{stem} ({number})"
        taken = wanted.with_name(f"{name}{suffix}").exists()
        if is_marked:
            taken = taken or wanted.with_name(f"{name}{MARK}{suffix}").exists()
        if not taken:
            return wanted.with_name(f"{name}{mark}{suffix}")
        number += 1


def unfinished(folder: Path) -> tuple[Path, ...]:
    """Recordings that a crash left in a folder, oldest first, without those that are being written now."""
    try:
        marked = [p for p in folder.iterdir() if p.suffix in RECORDING_SUFFIXES and p.stem.endswith(MARK)]
        return tuple(sorted((p for p in marked if not is_in_use(p)), key=lambda p: p.stat().st_mtime_ns))
    except (OSError, ValueError):
        # A text that is not a path raises ValueError.
        return ()


def is_in_use(path: Path) -> bool:
    """Whether a program is writing this recording."""
    try:
        import fcntl
    except ImportError:
        return not _can_rename(path)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    return False


def write_error(path: Path, error: Exception) -> OutputError:
    """The error for a file that cannot be written."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk of {path.parent} is full.", f"Free some space. {OTHER_FOLDER}")
    if code == errno.EFBIG:
        return OutputError(
            f"{path.name} has grown to the largest file that this disk can hold.",
            "Start a new recording, or choose a folder on a disk that is not formatted as FAT32.",
        )
    if code in (errno.ENOENT, errno.ENOTDIR):
        return OutputError(f"The folder {path.parent} does not exist.", f"Create it. {OTHER_FOLDER}")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"The folder {path.parent} cannot be written to.", OTHER_FOLDER)
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error)
    return OutputError(f"{path} could not be written: {reason}.", f"Check the disk. {OTHER_FOLDER}")


def _can_rename(path: Path) -> bool:
    """Whether no program has the file open; Windows refuses to rename an open file."""
    try:
        path.rename(path)
    except OSError:
        return False
    return True
