"""Reads the ZIP archive of an avatar file that others may have written; time and memory are bounded for any content."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avatar_app.contracts.errors import AvatarError, InputFileError
from avatar_app.contracts.fields import problem
from avatar_app.contracts.input_file import BINARY, NO_WAIT, parse_object, reason
from avatar_app.live.library.contents import (
    CONTENTS,
    CONTENTS_SCHEMA,
    MAX_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    Contents,
    Listed,
)

# The end of a ZIP file: signature, disks, entries, size and offset of the directory, length of a comment.
END = struct.Struct("<4s4H2LH")
END_SIGNATURE, ZIP64_SIGNATURE, START_SIGNATURE = b"PK\5\6", b"PK\6\7", b"PK\3\4"
ZIP64_BYTES = 20
MAX_DIRECTORY_BYTES = MAX_FILES * 400
PIECE_BYTES = 1 << 20
IS_ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What Python's reader raises for damaged archives.
BAD_ARCHIVES = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, LookupError, ArithmeticError,
    RuntimeError, NotImplementedError, MemoryError, OSError,
)  # fmt: skip
EXPORT_AGAIN = "Export the avatar again, or copy the file again."
NO_AVATAR_FILE = "Choose a file that `avatar-app avatars export` wrote."
UPDATE = "Update the program, then import the file again."


class Archive:
    """An opened avatar file. Thread: one.

    Args:
        file: for messages.
        packed: the archive, whose names are those of the list.
        contents: its list.
    """

    def __init__(self, file: Path, packed: zipfile.ZipFile, contents: Contents) -> None:
        self._file, self._packed = file, packed
        self.contents = contents

    def unpack(self, name: str, target: Path) -> None:
        """Write one of the listed files.

        Raises:
            AvatarError: it is not the file that was listed.
            OSError: it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as opened:
            for piece in self._pieces(self.contents.files[name]):
                opened.write(piece)

    def _pieces(self, listed: Listed) -> Iterator[bytes]:
        # Not more bytes than the directory says, which `_check_entries` compared with the list.
        digest = hashlib.sha256()
        with _reading(self._file), self._packed.open(listed.name) as stream:
            while piece := stream.read(PIECE_BYTES):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != listed.sha256:
            raise tampered(self._file, f"{listed.name} has a wrong checksum")


@contextlib.contextmanager
def opened_archive(file: Path) -> Iterator[Archive]:
    """Open an avatar file, and check its list and the names and sizes of all entries.

    Raises:
        AvatarError: it cannot be read, is no avatar file, is cut short, damaged or too large, or a newer version of
            the program wrote it.
    """
    with _opened(file) as stream:
        _check_end(stream, file)
        with _reading(file):
            packed = zipfile.ZipFile(stream)
        with packed:
            contents = _contents(packed, file)
            _check_entries(packed, contents, file)
            yield Archive(file, packed, contents)


def tampered(file: Path, why: str) -> AvatarError:
    """The error for a file that is not as it was exported."""
    return AvatarError(f"The avatar file {file} is damaged or was changed: {why}.", EXPORT_AGAIN)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A regular file; a pipe or a device is refused without waiting."""
    try:
        # Without this flag, opening a pipe without a writer would block.
        descriptor = os.open(file, os.O_RDONLY | NO_WAIT | BINARY)
    except FileNotFoundError as error:
        raise AvatarError(f"There is no file {file}.", NO_AVATAR_FILE) from error
    except (OSError, ValueError) as error:
        raise AvatarError(f"The file {file} cannot be opened ({reason(error)}).", "Choose another file.") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise AvatarError(f"{file} is not an avatar file.", NO_AVATAR_FILE)
    with open(descriptor, "rb") as stream:
        if facts.st_size > MAX_TOTAL_BYTES + MAX_DIRECTORY_BYTES:
            raise AvatarError(f"The file {file} is too large for an avatar.", NO_AVATAR_FILE)
        yield stream


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Turn what the reader of archives raises into our error."""
    try:
        yield
    except BAD_ARCHIVES as error:
        raise tampered(file, "it cannot be unpacked") from error


def _check_end(stream: BinaryIO, file: Path) -> None:
    """Check the size of the directory before it is read: Python reads all of it into memory.

    Raises:
        AvatarError: it is no archive, is cut short, or has too many entries.
    """
    start = stream.read(len(START_SIGNATURE))
    n_bytes = stream.seek(0, os.SEEK_END)
    if start != START_SIGNATURE:
        raise AvatarError(f"{file} is not an avatar file.", NO_AVATAR_FILE)
    stream.seek(max(0, n_bytes - END.size - ZIP64_BYTES))
    tail = stream.read()
    signature, *_, n_entries, directory_bytes, _, comment_bytes = END.unpack(tail[-END.size :].rjust(END.size, b"\0"))
    if signature != END_SIGNATURE or comment_bytes:
        raise AvatarError(f"The avatar file {file} is cut short.", "Copy the file again, or export the avatar again.")
    # The directory of a larger archive would be described elsewhere.
    is_large = tail.startswith(ZIP64_SIGNATURE) or n_entries > MAX_FILES + 1 or directory_bytes > MAX_DIRECTORY_BYTES
    if is_large:
        raise AvatarError(f"The file {file} has too many entries for an avatar.", NO_AVATAR_FILE)


def _contents(packed: zipfile.ZipFile, file: Path) -> Contents:
    """The list of files.

    Raises:
        AvatarError: it is missing or damaged, or a newer version of the program wrote it.
    """
    entry = next((entry for entry in packed.infolist() if entry.filename == CONTENTS), None)
    if entry is None:
        raise AvatarError(f"{file} is not an avatar file.", NO_AVATAR_FILE)
    _check_entry(entry, file)
    if entry.file_size > MAX_BYTES[".json"]:
        raise tampered(file, "its list of files is too large")
    with _reading(file), packed.open(entry) as stream:
        content = stream.read(MAX_BYTES[".json"] + 1)
    try:
        data = parse_object(content)
        schema = data["schema"]
        if isinstance(schema, int) and schema > CONTENTS_SCHEMA:
            raise AvatarError(f"A newer version of this program wrote the avatar file {file}.", UPDATE)
        if schema != CONTENTS_SCHEMA:
            raise ValueError("its schema is not valid")
        return Contents.from_json(data)
    except (InputFileError, KeyError, TypeError, ValueError) as error:
        raise tampered(file, f"in its list of files, {problem(error)}") from error


def _check_entries(packed: zipfile.ZipFile, contents: Contents, file: Path) -> None:
    """Check that the archive has the listed files, each once and in its size, and nothing else.

    Raises:
        AvatarError: it has not.
    """
    entries = [entry for entry in packed.infolist() if entry.filename != CONTENTS]
    if len(entries) != len(packed.infolist()) - 1 or len(entries) != len(contents.files):
        raise tampered(file, "it does not have the files of its list")
    if {entry.filename for entry in entries} != set(contents.files):
        raise tampered(file, "it does not have the files of its list")
    for entry in entries:
        _check_entry(entry, file)
        if entry.file_size != contents.files[entry.filename].n_bytes:
            raise tampered(file, f"{entry.filename} has a wrong size")


def _check_entry(entry: zipfile.ZipInfo, file: Path) -> None:
    """Check that an entry is a plain file, packed as we pack.

    Raises:
        AvatarError: it is a link, a folder, encrypted, or packed in another way than by us.
    """
    mode = entry.external_attr >> 16
    is_plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
    if not is_plain or entry.is_dir():
        raise tampered(file, "an entry is not a file")
    if entry.flag_bits & IS_ENCRYPTED or entry.compress_type not in METHODS:
        raise tampered(file, "an entry is packed in an unknown way")
