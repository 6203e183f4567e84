"""Snapshots: the next picture as a file, written beside the rest of the program, one at a time and a few a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError, UserError
from avatar_app.contracts.handoff import Latest, Mailboxes
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.record.snapshot_file import snapshot
from avatar_app.live.runtime.worker import Worker

NOTICE_KEY = "snapshot"
PICTURE_WAIT_S = 0.5
# Between two of them: whoever asks without end gets four a second, and none waits in a queue.
PAUSE_S = 0.25


class Snapshots:
    """Writes snapshots on a thread of its own.

    One that is asked for while another is written replaces the one that waits.

    Thread: `start` and `stop` by one owner, `ask` any.

    Args:
        pictures: where finished pictures come from.
        clock: the program's.
        notices: where each snapshot is told, or why there is none.
    """

    def __init__(
        self,
        pictures: Mailboxes[Picture],
        clock: Clock,
        notices: NoticeBoard,
    ) -> None:
        self._pictures = pictures
        self._clock, self._notices = clock, notices
        self._folders: Latest[Callable[[], Path]] = Latest()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Be ready; a second call is fine."""
        if self._worker is None:
            self._worker = Worker("snapshots", self._step, self._clock, self._notices)
            self._worker.start()

    def stop(self) -> None:
        """Finish the one that is being written; twice is fine."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
        self._folders.take()

    def ask(self, folder: Callable[[], Path]) -> None:
        """Have the next picture written soon; never waits. A notice says where it is.

        Args:
            folder: gives the folder it goes into, made when missing; may raise `OutputError`.

        Raises:
            OutputError: nothing runs.
        """
        if self._worker is None:
            raise OutputError("There is no picture to keep.", "Press Start first.")
        self._folders.put(folder)

    def _step(self, stop: threading.Event) -> None:
        folder = self._folders.take(timeout_s=0.1)
        if folder is None:
            return
        try:
            file = self._write(folder)
        except UserError as error:
            self._notices.post(Notice.from_error(NOTICE_KEY, error))
        else:
            self._notices.post(Notice(NOTICE_KEY, Level.INFO, f"Kept as {file.name}.", f"It is in {file.parent}."))
        stop.wait(PAUSE_S)

    def _write(self, folder: Callable[[], Path]) -> Path:
        mailbox = self._pictures.add()
        try:
            picture = mailbox.take(timeout_s=PICTURE_WAIT_S)
        finally:
            self._pictures.remove(mailbox)
        if picture is None:
            raise OutputError("There is no picture to keep.", "Press Start first.")
        return snapshot(picture, folder())
