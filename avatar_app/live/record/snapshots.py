"""Snapshots: writes the next picture as a file, in the background, one at a time and at most four a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Latest, Mailboxes
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.record.notices import RecordNotices, no_picture
from avatar_app.live.record.snapshot_file import snapshot
from avatar_app.live.runtime.worker import Worker

PICTURE_WAIT_S = 0.5
# Between two snapshots.
PAUSE_S = 0.25
# A folder that does not answer for longer does not keep the program from ending.
STOP_TIMEOUT_S = 5.0


class Snapshots:
    """Writes snapshots on its own thread.

    A request that arrives while another snapshot is written replaces the one that waits.

    Thread: `start`, `request_stop` and `stop` by one owner, `request` any.

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
        self._notices = RecordNotices(notices)
        self._folders: Latest[Callable[[], Path]] = Latest()
        self._worker = Worker("snapshots", self._step, clock, notices)
        self._is_running = False

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if not self._is_running:
            self._is_running = True
            self._worker.start()

    def request_stop(self) -> None:
        """Take no more requests, without waiting for the snapshot that is being written; a second call does nothing."""
        self._is_running = False
        self._worker.request_stop()
        self._folders.take()

    def stop(self) -> None:
        """Stop, and wait for the snapshot that is being written; a second call does nothing."""
        self.request_stop()
        self._worker.join(STOP_TIMEOUT_S)

    def request(self, folder: Callable[[], Path]) -> None:
        """Request a snapshot of the next picture; never blocks. A notice reports the file.

        Args:
            folder: returns the folder, created if missing; may raise `OutputError`.

        Raises:
            OutputError: the avatar is stopped.
        """
        if not self._is_running:
            raise no_picture()
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
            raise no_picture()
        return snapshot(picture, folder())
