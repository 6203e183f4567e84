"""Makes whole what a crash or a power cut left behind, beside everything else that a start does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.live.record.folder import MARK, free_path, is_in_use, unfinished
from avatar_app.live.record.repair import UnplayableError, is_empty, repair
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

NOTICE_KEY = "mend"
DAMAGED_MARK = ".damaged"


class _StoppedError(Exception):
    """The program ends; the next start makes the copy."""


class Mender:
    """Repairs the unfinished recordings of some folders once. Thread: `start` and `stop` by the owner; work on its own.

    Args:
        folders: of the recordings; one that is named twice counts once.
        clock: the program's.
        notices: where it is told what was repaired, and what cannot be.
        repair: makes an ordinary file of one; another in tests.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        clock: Clock,
        notices: NoticeBoard,
        repair: Callable[[Path, Callable[[float], None]], Path] = repair,
    ) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._notices = notices
        self._repair = repair
        self._waiting: list[Path] | None = None
        self._worker = Worker("mend", self._step, clock, notices)

    def start(self) -> None:
        """Begin; comes back at once."""
        self._worker.start()

    def stop(self) -> None:
        """End within a moment, also in the middle of a file; twice is fine."""
        self._worker.stop()

    def _step(self, stop: threading.Event) -> None:
        if self._waiting is None:
            # Looked for once: what is recorded later is being saved by its own thread.
            self._waiting = [path for folder in self._folders for path in unfinished(folder)]
        if not self._waiting:
            stop.wait()
            return
        path = self._waiting.pop(0)
        try:
            self._mend(path, stop)
        except _StoppedError:
            log.info("%s is left for the next start", path.name)

    def _mend(self, path: Path, stop: threading.Event) -> None:
        def go_on(share: float) -> None:
            del share
            if stop.is_set():
                raise _StoppedError

        try:
            if is_in_use(path):
                return
            if is_empty(path):
                log.info("%s has no picture and is removed", path.name)
                path.unlink(missing_ok=True)
                return
            self._tell_whole(self._repair(path, go_on))
        except UnplayableError as error:
            self._tell_damaged(path, error)
        except OutputError as error:
            self._notices.post(Notice.from_error(NOTICE_KEY, error))
        except OSError as error:
            log.warning("%s: %s", path, error)

    def _tell_whole(self, mended: Path) -> None:
        text = f"A recording that was cut off is whole again: {mended.name}."
        self._notices.post(Notice(NOTICE_KEY, Level.INFO, text, f"It is in {mended.parent}."))

    def _tell_damaged(self, path: Path, error: OutputError) -> None:
        """Rename what will never play, so that this is said once and not at every start."""
        damaged = free_path(path.with_name(path.name.replace(MARK, DAMAGED_MARK)))
        with suppress(OSError):
            path.rename(damaged)
        self._notices.post(
            Notice(NOTICE_KEY, Level.ERROR, f"{error.what} It is kept as {damaged.name}.", error.what_to_do)
        )
