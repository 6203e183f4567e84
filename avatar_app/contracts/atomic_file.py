"""Files and folders that are complete or absent: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".tmp"
# Names of folders that `replacing_folder` is writing, and of the folders that it replaces.
UNFINISHED_FOLDER, REPLACED_FOLDER = ".unfinished", ".replaced"
PRIVATE_MODE = 0o600
SHARED_MODE = 0o666
# Names of temporary files: those of `replacing`, and those that the program wrote before it.
LEFTOVER = re.compile(r".+\.[0-9a-f]{8}\.tmp|.+\.json[a-z0-9_]{8}\.tmp")


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `file` when the block ends; an error removes it.

    The folder is made when it is missing. Each writer has its own temporary path, so several processes may write
    the same file: the last one wins, and a file that another process has mapped stays as it is.

    Args:
        file: the file to write or to replace.

    Yields:
        A path in the same folder that does not exist yet.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Hidden where names with a dot are: snapshots are written into the user's own folder.
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield temporary
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, and rename it to `folder` when the block ends; an error removes it.

    The old folder is renamed first and deleted last, because a rename is quick and a deletion is not. A kill between
    the two renames leaves the old folder under another name; the next call restores it.

    Args:
        folder: the folder to write or to replace; one process at a time may write it.

    Yields:
        An empty folder beside it.

    Raises:
        OSError: a folder cannot be written.
    """
    unfinished, replaced = (folder.with_name(folder.name + end) for end in (UNFINISHED_FOLDER, REPLACED_FOLDER))
    if replaced.exists() and not folder.exists():
        replaced.rename(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        shutil.rmtree(replaced, ignore_errors=True)
        if folder.exists():
            folder.rename(replaced)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of writers that were killed; no other writer may use the folder meanwhile."""
    for file in folder.glob(f"*{UNFINISHED}"):
        if LEFTOVER.fullmatch(file.name):
            with contextlib.suppress(OSError):
                file.unlink()


def write_bytes(file: Path, content: bytes, *, is_private: bool = False) -> None:
    """Write a file in one step: a crash or a power cut leaves the old content or the new one.

    Args:
        file: the file to write or to replace.
        content: all of it.
        is_private: whether only its owner may read it.

    Raises:
        OSError: it cannot be written.
    """
    mode = PRIVATE_MODE if is_private else SHARED_MODE
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with replacing(file) as temporary, os.fdopen(os.open(temporary, flags, mode), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_text(file: Path, text: str, *, is_private: bool = False) -> None:
    """Write a text file in UTF-8, see `write_bytes`.

    Raises:
        OSError: it cannot be written.
    """
    write_bytes(file, text.encode(), is_private=is_private)
