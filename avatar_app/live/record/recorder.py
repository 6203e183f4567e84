"""Starts and ends recordings: one thread collects pictures without delay, another encodes and writes them."""

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
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.disk_watch import DiskWatch
from avatar_app.live.record.folder import marked_path
from avatar_app.live.record.formats import RecordOptions
from avatar_app.live.record.frame_converter import parse_colour
from avatar_app.live.record.notices import RecordNotices
from avatar_app.live.record.recording import OpenContainer, Recording, open_container
from avatar_app.live.record.status import RecordStatus
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

# Capacity of the voice ring: a minute of blocks of 10 ms. The disk may hang for that long before sound is lost.
VOICE_BLOCKS = 6000
POLL_S = 0.1
# A disk that hangs for longer does not keep the program from ending; the next start repairs the file.
STOP_TIMEOUT_S = 20.0


class Recorder:
    """Records pictures and voice into files, one after the other.

    Thread: `start`, `finish`, `stop` and `status` by the owner; encoding and the disk on its own threads.

    Args:
        clock: the program's.
        notices: get the result of each recording, and its failures.
        open_container: opens the container file; tests pass their own.
    """

    def __init__(self, clock: Clock, notices: NoticeBoard, open_container: OpenContainer = open_container) -> None:
        self._clock = clock
        self._notices = notices
        self._open_container = open_container
        self._current: Recording | None = None
        self._running: list[tuple[Recording, tuple[Worker, ...]]] = []

    def start(
        self,
        options: RecordOptions,
        pictures: Latest[Picture],
        voice: Ring[VoiceBlock] | None,
        when: datetime | None = None,
    ) -> None:
        """Begin a recording of pictures and sound from this instant on; does not block.

        The previous one may still be saved in the background.

        Args:
            options: format, folder and rate.
            pictures: mailbox of pictures, for the recorder alone.
            voice: ring of `VOICE_BLOCKS`, for the recorder alone; None records no sound.
            when: time in the file's name; now by default.

        Raises:
            OutputError: the folder is missing, not writable or full, or the background colour is invalid.
            InternalError: a recording is running.
        """
        if self.status().is_active:
            raise InternalError("a recording is running")
        self._forget_ended()
        parse_colour(options.background_colour)
        disk = DiskWatch(options.folder, options.keep_free_mb)
        disk.check_start()
        name = marked_path(options.folder, options.format.suffix, when or datetime.now())
        RecordNotices(self._notices).clear()
        recording = Recording(options, DiskFile(name), disk, voice, self._clock, self._notices, self._open_container)
        workers = (
            Worker("record", recording.step, self._clock, self._notices, recording.give_up),
            Worker("record-collect", _collector(recording, pictures), self._clock, self._notices),
        )
        self._current = recording
        self._running.append((recording, workers))
        log.info("recording to %s", name)
        for worker in workers:
            worker.start()

    def finish(self) -> None:
        """Request the end: sound until now will be in the file. Does not block; `status` reports the progress."""
        if self._current is not None:
            self._current.finish()

    def stop(self) -> RecordStatus:
        """End the recording and wait until all are saved, usually within a second; a second call does nothing.

        Returns:
            Status of the last one.
        """
        self.finish()
        t_limit_s = time.monotonic() + STOP_TIMEOUT_S
        for recording, _ in self._running:
            if not recording.ended.wait(max(0.0, t_limit_s - time.monotonic())):
                log.error("a recording was not closed within %.0f s", STOP_TIMEOUT_S)
        running, self._running = self._running, []
        _end_workers(running)
        return self.status()

    def status(self) -> RecordStatus:
        """Status of the current or the last recording; cheap."""
        return self._current.status() if self._current is not None else RecordStatus()

    def _forget_ended(self) -> None:
        ended = [pair for pair in self._running if pair[0].ended.is_set()]
        self._running = [pair for pair in self._running if pair not in ended]
        _end_workers(ended)


def _end_workers(running: list[tuple[Recording, tuple[Worker, ...]]]) -> None:
    for _, workers in running:
        for worker in reversed(workers):
            worker.stop()


def _collector(recording: Recording, pictures: Latest[Picture]) -> Callable[[threading.Event], None]:
    """The step that empties the mailbox, so that a short stall of the encoder loses no picture."""
    n_replaced = pictures.n_replaced

    def step(stop: threading.Event) -> None:
        nonlocal n_replaced
        picture = pictures.take(POLL_S)
        recording.watch()
        if recording.ended.is_set():
            stop.wait(POLL_S)
        elif picture is not None:
            recording.put(picture, n_missed=pictures.n_replaced - n_replaced)
            n_replaced = pictures.n_replaced

    return step
