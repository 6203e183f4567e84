"""The readers of avatar data, by kind. A new source is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.avatar_data import AvatarData
from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol import rendered


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one kind of avatar data.

    Attributes:
        title: the kind of data, for the help text.
        can_read: whether a folder contains data of this kind; quick.
        read: reads the data; raises `StudioError` if it cannot be used.
        models: students that generate the mouth of avatars of this kind, best first, unless the user names others.
    """

    title: str
    can_read: Callable[[Path], bool]
    read: Callable[[Path], AvatarData]
    models: tuple[str, ...] = ()


READERS: dict[str, Reader] = {
    "rendered": Reader("rendered pictures and clips", rendered.can_read, rendered.read, ("nova-hd", "nova-96")),
}


def find_reader(folder: Path, kind: str | None = None) -> Reader:
    """The reader of a kind, or the only reader that recognises a folder.

    Args:
        folder: folder with the data.
        kind: key of `READERS`; None to recognise it.

    Raises:
        StudioError: there is no such reader, or none or several recognise the folder.
    """
    kinds = ", ".join(READERS)
    if kind is not None:
        if kind not in READERS:
            raise StudioError(f"There is no kind of avatar data {kind!r}.", f"Use one of: {kinds}.")
        return READERS[kind]
    found = [reader for reader in READERS.values() if reader.can_read(folder)]
    if len(found) != 1:
        what = "several kinds of" if found else "no known"
        raise StudioError(f"{folder} contains {what} avatar data.", f"Choose the kind with --from: {kinds}.")
    return found[0]
