"""Opens one part of the program in the background, and takes it out of use at once."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.live.runtime.worker import Worker
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

IDLE_S = 0.5
SETTLE_TIMEOUT_S = 60.0

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that failed.

    Attributes:
        settings: the requested settings.
        fields: names of the settings that could not be used.
        key: of the notice that reports the failure.
    """

    settings: Settings
    fields: tuple[str, ...]
    key: str


class Slot(ABC, Generic[P]):
    """One part, such as the microphone or the model, and the thread that opens it.

    The newest request wins. Each request has a number, and `cancel` and `cut` use up a number too: what was asked for
    before them is never installed, and is closed when its opening ends. No caller waits for an opening.

    Thread: `start`, `stop`, `want`, `cancel`, `cut` by one owner; `_open`, `_close` of an older part and `_idle` on the
    slot's own thread; `_install` and `_refuse` there too, under the lock of the slot; the rest any.

    Args:
        name: of the slot; its failures are notices with this key.
        fields: names of the settings that ask for another part when they change.
        settings: what is in use at first.
        notices: where a failure is told.
        is_exclusive: the old part must be closed before another can be opened, as with a device.
    """

    def __init__(
        self,
        name: str,
        fields: tuple[str, ...],
        settings: Settings,
        notices: NoticeBoard,
        *,
        is_exclusive: bool = False,
    ) -> None:
        self.name, self.fields = name, fields
        self.in_use = settings
        self._notices = notices
        self._is_exclusive = is_exclusive
        self._changed = threading.Condition(threading.RLock())
        self._number = self._serving = 0
        self._wanted: Settings | None = None
        self._part: P | None = None
        self._is_opening = self._is_again = False
        self._is_stopped = True
        self._refused: Latest[Refused] = Latest()
        # Opening may take long, so this thread is not watched for stalls, and its time is real.
        self._worker = Worker(f"open-{name}", self._step, MonotonicClock(), notices)

    @property
    def part(self) -> P | None:
        """What is in use; None before the first one and after `cut`."""
        return self._part

    @property
    def is_open(self) -> bool:
        """Whether a part is in use or being opened, wanted or not: what a lamp shows for a device."""
        with self._changed:
            return self._part is not None or self._is_opening

    @property
    def is_stopped(self) -> bool:
        """Whether requests are not served."""
        return self._is_stopped

    def values(self) -> dict[str, Any]:
        """The settings of this slot as they are in use."""
        in_use = self.in_use
        return {name: getattr(in_use, name) for name in self.fields}

    def take_refused(self) -> Refused | None:
        """The newest request that failed, once."""
        return self._refused.take()

    def start(self) -> None:
        """Begin to serve requests."""
        self._is_stopped = False
        self._worker.start()

    def stop(self) -> None:
        """Serve no more; an opening that is under way ends by itself, and what it opened is closed."""
        self._is_stopped = True
        self._worker.request_stop()
        self.cancel()

    def join(self, timeout_s: float) -> bool:
        """After `stop`: wait for an opening that is under way; whether it has ended."""
        return self._worker.stop(timeout_s)

    def want(self, settings: Settings) -> None:
        """Ask for the part that these settings name, in place of whatever was asked for before."""
        with self._changed:
            self._number += 1
            self._wanted, self._is_again = settings, False
            self._changed.notify_all()

    def cancel(self) -> None:
        """Forget what was asked for and is not in use yet."""
        with self._changed:
            self._number += 1
            self._wanted = None
            self._changed.notify_all()

    def cut(self) -> None:
        """Close the part that is in use, on the caller's thread, and forget what was asked for; twice is fine."""
        with self._changed:
            self.cancel()
            part, self._part = self._part, None
        if part is not None:
            self._close(part)

    def settle(self) -> P | None:
        """Wait until nothing is being opened or asked for; what is in use then."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted is None and not self._is_opening, SETTLE_TIMEOUT_S)
            return self._part

    @abstractmethod
    def _open(self, settings: Settings) -> P:
        """Open what the settings name; may take long.

        Raises:
            UserError: it cannot be had.
        """

    @abstractmethod
    def _install(self, part: P, settings: Settings) -> None:
        """Put an opened part into use; quick.

        Raises:
            UserError: it cannot be used.
        """

    def _used(self, part: P, settings: Settings) -> Settings:
        """The settings as an installed part really uses them."""
        del part
        return settings

    def _close(self, part: P) -> None:
        """Give back what `_open` opened."""

    def _idle(self) -> None:
        """Called twice a second while nothing is asked for."""

    def _refuse(self, settings: Settings, error: UserError) -> None:
        # Where nothing is in use instead, it stays so until something else is chosen.
        self._notices.post(Notice.from_error(self.name, error, is_lasting=self._part is None))
        self._refused.put(Refused(settings, self.fields, self.name))

    def _want_again(self, settings: Settings) -> None:
        """From `_idle`: ask once more, unless something newer is wanted or was cut."""
        with self._changed:
            if self._wanted is None and self._is_wanted() and not self._is_stopped:
                self._wanted, self._is_again = settings, True

    def _step(self, stop: threading.Event) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted is not None or stop.is_set(), IDLE_S)
            if stop.is_set():
                # What is wanted by now is for the next start.
                return
            settings, self._wanted = self._wanted, None
            self._serving = self._number
            self._is_opening = settings is not None
        if settings is None:
            self._idle()
            return
        try:
            self._serve(settings)
        finally:
            self._end_opening()

    def _end_opening(self) -> None:
        with self._changed:
            self._is_opening = False
            self._changed.notify_all()

    def _is_wanted(self) -> bool:
        """From `_open`: whether the request that is served is still the newest."""
        return self._number == self._serving

    def _serve(self, settings: Settings) -> None:
        if self._is_exclusive:
            self._close_older()
        if not self._is_wanted():
            return
        if not self._is_again:
            self._notices.clear(self.name)
        try:
            part = self._open(settings)
        except UserError as error:
            with self._changed:
                if self._is_wanted():
                    self._refuse(settings, error)
            return
        except Exception:
            # The worker tells of it; the window must not go on to show what is not in use.
            with self._changed:
                if self._is_wanted():
                    self._refused.put(Refused(settings, self.fields, self.name))
            raise
        with self._changed:
            is_used = self._is_wanted() and self._put_to_use(part, settings)
        if not is_used:
            log.info("what was opened for %s is closed again: it is not wanted any more", self.name)
            self._close(part)

    def _close_older(self) -> None:
        with self._changed:
            older, self._part = self._part, None
        if older is not None:
            self._close(older)

    def _put_to_use(self, part: P, settings: Settings) -> bool:
        if self._is_again:
            # Why it was asked again is told until now.
            self._notices.clear(self.name)
        older, self._part = self._part, part
        try:
            self._install(part, settings)
        except UserError as error:
            self._part = older
            self._refuse(settings, error)
            return False
        self.in_use = self._used(part, settings)
        return True
