"""Snapshots: writes the next picture as a file, in the background, one at a time and at most four a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError, UserError
from avatar_app.contracts.handoff import Latest, Mailboxes
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.record.notices import RecordNotices
from avatar_app.live.record.snapshot_file import snapshot
from avatar_app.live.runtime.worker import Worker

PICTURE_WAIT_S = 0.5
# Between two snapshots.
PAUSE_S = 0.25


class Snapshots:
    """Writes snapshots on its own thread.

    A request that arrives while another snapshot is written replaces the one that waits.

    Thread: `start` and `stop` by one owner, `request` any.

    Args:
        pictures: source of finished pictures.
        clock: the program's.
        notices: get the name of each snapshot, or the failure.
    """

    def __init__(
        self,
        pictures: Mailboxes[Picture],
        clock: Clock,
        notices: NoticeBoard,
    ) -> None:
        self._pictures = pictures
        self._clock, self._board, self._notices = clock, notices, RecordNotices(notices)
        self._folders: Latest[Callable[[], Path]] = Latest()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if self._worker is None:
            self._worker = Worker("snapshots", self._step, self._clock, self._board)
            self._worker.start()

    def stop(self) -> None:
        """Finish the snapshot that is being written, and end; a second call does nothing."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
        self._folders.take()

    def request(self, folder: Callable[[], Path]) -> None:
        """Request a snapshot of the next picture; never blocks. A notice reports the file.

        Args:
            folder: returns the folder, created if missing; may raise `OutputError`.

        Raises:
            OutputError: the avatar is stopped.
        """
        if self._worker is None:
            raise OutputError("There is no picture to save.", "Press Start first.")
        self._folders.put(folder)

    def _step(self, stop: threading.Event) -> None:
        folder = self._folders.take(timeout_s=0.1)
        if folder is None:
            return
        try:
            file = self._write(folder)
        except UserError as error:
            self._notices.snapshot_failed(error)
        else:
            self._notices.snapshot_saved(file)
        stop.wait(PAUSE_S)

    def _write(self, folder: Callable[[], Path]) -> Path:
        mailbox = self._pictures.add()
        try:
            picture = mailbox.take(timeout_s=PICTURE_WAIT_S)
        finally:
            self._pictures.remove(mailbox)
        if picture is None:
            raise OutputError("There is no picture to save.", "Press Start first.")
        return snapshot(picture, folder())
