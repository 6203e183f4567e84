"""Starts and ends recordings: one thread takes pictures at once, another encodes and writes as it can."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import InternalError
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.live.record.canvas import parse_colour
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.disk_watch import DiskWatch
from avatar_app.live.record.folder import marked_path
from avatar_app.live.record.formats import RecordOptions
from avatar_app.live.record.recording import NOTICE_KEY, OpenFilm, Session, open_film
from avatar_app.live.record.status import RecordStatus
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

# A minute of blocks of 10 ms: the disk may hang for that long before sound is lost. What `voice.add` is given.
VOICE_BLOCKS = 6000
TAKE_S = 0.1
# A disk that hangs for longer must not keep the program from ending; the file can be repaired.
STOP_TIMEOUT_S = 20.0


class Recorder:
    """Records pictures and voice into files, one after the other.

    Thread: `start`, `finish`, `stop` and `status` by the owner; encoding and the disk on threads of its own.

    Args:
        clock: the program's.
        notices: where the end of a recording is told when it was not asked for.
        open_film: makes what is written into; another in tests.
    """

    def __init__(self, clock: Clock, notices: NoticeBoard, open_film: OpenFilm = open_film) -> None:
        self._clock = clock
        self._notices = notices
        self._open_film = open_film
        self._session: Session | None = None
        self._running: list[tuple[Session, tuple[Worker, ...]]] = []

    def start(
        self,
        options: RecordOptions,
        pictures: Latest[Picture],
        voice: Ring[VoiceBlock] | None,
        when: datetime | None = None,
    ) -> None:
        """Begin a recording that shows and sounds from this instant on. Comes back at once.

        The one before may still be saved meanwhile.

        Args:
            options: what is recorded, and how.
            pictures: a mailbox of the live path, for the recorder alone.
            voice: a ring of `VOICE_BLOCKS` of the live path, for the recorder alone; None records no sound.
            when: for the file's name; now by default.

        Raises:
            OutputError: the folder is missing, cannot be written to or is full, or the colour is none.
            InternalError: a recording is running.
        """
        if self.status().is_active:
            raise InternalError("a recording is running")
        self._forget_ended()
        parse_colour(options.background_colour)
        disk = DiskWatch(options.folder, options.keep_free_mb)
        disk.check_start()
        name = marked_path(options.folder, options.format.suffix, when or datetime.now())
        self._notices.clear(NOTICE_KEY)
        session = Session(options, DiskFile(name), disk, voice, self._clock, self._notices, self._open_film)
        workers = (
            Worker("record", session.step, self._clock, self._notices, session.give_up),
            Worker("record-take", _taker(session, pictures), self._clock, self._notices),
        )
        self._session = session
        self._running.append((session, workers))
        log.info("recording %s", name)
        for worker in workers:
            worker.start()

    def finish(self) -> None:
        """Ask for the end: what is spoken until now will be in the file. Comes back at once; `status` tells when."""
        if self._session is not None:
            self._session.finish()

    def stop(self) -> RecordStatus:
        """End the recording and wait until all are saved, a second or less as a rule; twice is fine.

        Returns:
            How the last one ended.
        """
        self.finish()
        t_limit_s = time.monotonic() + STOP_TIMEOUT_S
        for session, _ in self._running:
            if not session.ended.wait(max(0.0, t_limit_s - time.monotonic())):
                log.error("a recording was not closed within %.0f s", STOP_TIMEOUT_S)
        running, self._running = self._running, []
        _end_workers(running)
        return self.status()

    def status(self) -> RecordStatus:
        """How it goes; cheap. The last recording's until the next one begins."""
        return self._session.status() if self._session is not None else RecordStatus()

    def _forget_ended(self) -> None:
        ended = [pair for pair in self._running if pair[0].ended.is_set()]
        self._running = [pair for pair in self._running if pair not in ended]
        _end_workers(ended)


def _end_workers(running: list[tuple[Session, tuple[Worker, ...]]]) -> None:
    for _, workers in running:
        for worker in reversed(workers):
            worker.stop()


def _taker(session: Session, pictures: Latest[Picture]) -> Callable[[threading.Event], None]:
    """The step that empties the mailbox, so that an encoder's hiccup costs no picture."""
    n_replaced = pictures.n_replaced

    def step(stop: threading.Event) -> None:
        nonlocal n_replaced
        picture = pictures.take(TAKE_S)
        session.watch()
        if session.ended.is_set():
            stop.wait(TAKE_S)
        elif picture is not None:
            session.put(picture, n_missed=pictures.n_replaced - n_replaced)
            n_replaced = pictures.n_replaced

    return step
