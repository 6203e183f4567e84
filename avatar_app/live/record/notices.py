"""Notices about recordings and snapshots: what happened, then what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from avatar_app.contracts.errors import OutputError, UserError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.live.record.folder import MARK

RECORD_KEY = "record"
# Separate keys: these notices stay beside a warning about the same recording.
SAVED_KEY = "recorded"
LOST_KEY = "record-lost"
RECOVERY_KEY = "recovery"
SNAPSHOT_KEY = "snapshot"


def no_picture() -> OutputError:
    """The error of a snapshot while no pictures arrive."""
    return OutputError("There is no picture to save.", "Press Start first.")


class RecordNotices:
    """Posts the notices of the recorder, of recovery and of snapshots. Thread: any."""

    def __init__(self, board: NoticeBoard) -> None:
        self._board = board

    def clear(self) -> None:
        """Remove the notice about the current recording."""
        self._board.clear(RECORD_KEY)

    def not_closed(self, path: Path) -> None:
        """Closing the file takes too long."""
        text = "The recording is not closed yet, because the disk or the video encoder does not respond."
        self._board.warning(RECORD_KEY, text, f"You can start a new recording. This one is kept in {path}.")

    def cut_short(self) -> None:
        """The end was not written in time."""
        text = "The last seconds of the recording are missing, because the encoder or the disk was too slow."
        self._board.warning(RECORD_KEY, text, "Close other demanding programs.")

    def continued(self, error: OutputError, folder: Path | None) -> None:
        """The recording continues in another file; `folder` names the folder when that is another one."""
        where = f"in {folder}." if folder is not None else "in a new file; the part before is kept."
        self._board.warning(RECORD_KEY, f"{error.what} The recording continues {where}")

    def ended(self, kept: list[Path], problem: OutputError | None) -> None:
        """The recording has ended, because the user stopped it or because of a problem."""
        if problem is None:
            text = f"The recording is saved as {' and '.join(path.name for path in kept)}."
            self._board.info(SAVED_KEY, text, f"It is in {kept[-1].parent}.{_fragments_note(kept)}")
        elif kept:
            files = " and ".join(map(str, kept))
            text = f"{problem.what} The recording has ended; the part up to then is saved in {files}."
            self._board.post(Notice(RECORD_KEY, Level.ERROR, text, f"{problem.what_to_do}{_fragments_note(kept)}"))
        else:
            self._board.error(RECORD_KEY, problem)

    def lost(self, paths: list[Path]) -> None:
        """Files of the recording were deleted or moved while it ran."""
        text = f"{' and '.join(path.name for path in paths)} is no longer in {paths[0].parent}."
        what_to_do = "If you moved the folder, look there. A deleted file is lost."
        self._board.post(Notice(LOST_KEY, Level.ERROR, text, what_to_do))

    def recovered(self, path: Path) -> None:
        """A recording of an earlier run was repaired."""
        self._board.info(
            RECOVERY_KEY, f"An interrupted recording was repaired: {path.name}.", f"It is in {path.parent}."
        )

    def damaged(self, error: UserError, kept: Path) -> None:
        """A recording of an earlier run cannot be repaired."""
        text = f"{error.what} It is kept as {kept.name}."
        self._board.post(Notice(RECOVERY_KEY, Level.ERROR, text, error.what_to_do))

    def not_recovered(self, error: UserError) -> None:
        """A recording of an earlier run cannot be repaired now."""
        self._board.error(RECOVERY_KEY, error)

    def snapshot_saved(self, file: Path) -> None:
        """A snapshot was written."""
        self._board.info(SNAPSHOT_KEY, f"Saved as {file.name}.", f"It is in {file.parent}.")

    def snapshot_failed(self, error: UserError) -> None:
        """A snapshot was not written."""
        self._board.error(SNAPSHOT_KEY, error)


def _fragments_note(paths: Iterable[Path]) -> str:
    """A sentence about recordings that are still fragmented and carry their mark."""
    if not any(MARK in path.name for path in paths):
        return ""
    return " Most players can play it. The next start converts it to an ordinary file when there is room."
