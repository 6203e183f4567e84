"""Repairs recordings that a crash or a power cut left unfinished, in the background after the start."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.record.folder import MARK, free_path, is_in_use, unfinished
from avatar_app.live.record.notices import RecordNotices
from avatar_app.live.record.repair import UnplayableError, is_empty, repair
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

DAMAGED_MARK = ".damaged"


class _StoppedError(Exception):
    """The program ends; the next start repairs the recording."""


class Recovery:
    """Repairs the unfinished recordings of some folders once.

    Thread: `start` and `stop` by the owner; it works on its own thread.

    Args:
        folders: of the recordings; duplicates are ignored.
        clock: the program's.
        notices: get the result of each repair.
        repair: repairs one recording; tests pass their own.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        clock: Clock,
        notices: NoticeBoard,
        repair: Callable[[Path, Callable[[float], None]], Path] = repair,
    ) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._notices = RecordNotices(notices)
        self._repair = repair
        self._waiting: list[Path] | None = None
        self._worker = Worker("recovery", self._step, clock, notices)

    def start(self) -> None:
        """Begin; does not block."""
        self._worker.start()

    def stop(self) -> None:
        """End soon, also in the middle of a file; a second call does nothing."""
        self._worker.stop()

    def _step(self, stop: threading.Event) -> None:
        if self._waiting is None:
            # Listed once: recordings of this run are saved by their own thread.
            self._waiting = [path for folder in self._folders for path in unfinished(folder)]
        if not self._waiting:
            stop.wait()
            return
        path = self._waiting.pop(0)
        try:
            self._repair_one(path, stop)
        except _StoppedError:
            log.info("%s will be repaired at the next start", path.name)

    def _repair_one(self, path: Path, stop: threading.Event) -> None:
        def check_stop(share: float) -> None:
            del share
            if stop.is_set():
                raise _StoppedError

        try:
            if is_in_use(path):
                return
            if is_empty(path):
                log.info("%s has no picture and is deleted", path.name)
                path.unlink(missing_ok=True)
                return
            self._notices.recovered(self._repair(path, check_stop))
        except UnplayableError as error:
            self._set_aside(path, error)
        except OutputError as error:
            self._notices.not_recovered(error)
        except OSError as error:
            log.warning("%s: %s", path, error)

    def _set_aside(self, path: Path, error: OutputError) -> None:
        """Rename an unplayable recording, so that it is reported once and not at every start."""
        damaged = free_path(path.with_name(path.name.replace(MARK, DAMAGED_MARK)))
        with suppress(OSError):
            path.rename(damaged)
        self._notices.damaged(error, damaged)
