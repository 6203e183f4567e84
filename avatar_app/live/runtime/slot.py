"""Opens one resource of the program, such as the microphone or the model, in the background."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.runtime.worker import Worker
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

IDLE_S = 0.5
IDLE_TIMEOUT_S = 60.0

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Request:
    """Settings that a slot should put into use.

    Attributes:
        number: the caller's number of the request; 0 where the caller does not count.
        settings: all settings.
    """

    number: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Applied:
    """A request that succeeded.

    Attributes:
        request: its number.
        settings: as they are in use, which may differ from the requested ones.
        fields: names of the settings that this slot put into use.
    """

    request: int
    settings: Settings
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that failed; what was in use before stays in use.

    Attributes:
        request: its number.
        settings: the requested ones.
        fields: names of the settings that could not be used.
        key: of the notice that reports the failure.
        error: why; None for a fault of the program.
    """

    request: int
    settings: Settings
    fields: tuple[str, ...]
    key: str
    error: UserError | None = None


Result: TypeAlias = Applied | Refused


class Slot(ABC, Generic[P]):
    """One resource and the thread that opens it.

    The newest request wins. Each request starts a new generation, and so do `cancel` and `close`: what belongs to an
    older generation is never installed, and is closed as soon as it is open. No caller waits for an opening.

    Thread: `start`, `stop`, `request`, `cancel`, `close` by one owner; `_open`, `_close` of an older part and `_idle`
    on the slot's own thread; `_install` and `_refuse` there too, under the lock of the slot; the rest any.

    Args:
        name: of the slot; its failures are notices with this key.
        fields: names of the settings that need another part when they change.
        settings: in use at first.
        notices: where failures are posted.
        is_exclusive: the old part must be closed before another can be opened, as with a device.
        title: the subject of notices about a fault, see `Worker`.
    """

    def __init__(
        self,
        name: str,
        fields: tuple[str, ...],
        settings: Settings,
        notices: NoticeBoard,
        *,
        is_exclusive: bool = False,
        title: str = "",
    ) -> None:
        self.name, self.fields = name, fields
        # Settings that a refusal takes back.
        self.refused_fields = fields
        self.in_use = settings
        self._notices = notices
        self._is_exclusive = is_exclusive
        self._changed = threading.Condition(threading.RLock())
        self._generation = self._serving = 0
        self._waiting: Request | None = None
        self._last_number = 0
        self._part: P | None = None
        self._is_opening = self._is_retry = False
        self._is_stopped = True
        self._results: Latest[Result] = Latest()
        # Opening may take long, so this thread is not watched for stalls, and it uses the real clock.
        self._worker = Worker(f"open-{name}", self._step, MonotonicClock(), notices, title=title)

    @property
    def part(self) -> P | None:
        """The part in use; None before the first one and after `close`."""
        return self._part

    @property
    def is_open(self) -> bool:
        """Whether a part is in use or being opened, also after `close`: what an indicator shows for a device."""
        with self._changed:
            return self._part is not None or self._is_opening

    @property
    def is_stopped(self) -> bool:
        """Whether requests are not served."""
        return self._is_stopped

    def values(self) -> dict[str, Any]:
        """The settings of this slot that are in use, by name."""
        in_use = self.in_use
        return {name: getattr(in_use, name) for name in self.fields}

    def take_result(self) -> Result | None:
        """The result of the newest request that has ended, once."""
        return self._results.take()

    def start(self) -> None:
        """Begin to serve requests."""
        self._is_stopped = False
        self._worker.start()

    def stop(self) -> None:
        """Serve no more requests. The part of an opening in progress is closed once it is open."""
        self._is_stopped = True
        self._worker.request_stop()
        self.cancel()

    def join(self, timeout_s: float) -> bool:
        """After `stop`: wait for an opening in progress; returns whether it has ended."""
        return self._worker.stop(timeout_s)

    def request(self, settings: Settings, number: int = 0) -> None:
        """Request the part that these settings name; replaces an older request."""
        with self._changed:
            self._generation += 1
            self._waiting, self._is_retry = Request(number, settings), False
            self._changed.notify_all()

    def cancel(self) -> None:
        """Forget a request that is not in use yet."""
        with self._changed:
            self._generation += 1
            self._waiting = None
            self._changed.notify_all()

    def close(self) -> None:
        """Close the part in use on the caller's thread, and forget any request; a second call does nothing."""
        with self._changed:
            self.cancel()
            part, self._part = self._part, None
        if part is not None:
            self._close(part)

    def wait_until_idle(self) -> P | None:
        """Wait until no request is pending or being served; returns the part in use then."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None and not self._is_opening, IDLE_TIMEOUT_S)
            return self._part

    @abstractmethod
    def _open(self, settings: Settings) -> P:
        """Open what the settings name; may take long.

        Raises:
            UserError: it cannot be opened.
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
        """Release what `_open` opened."""

    def _idle(self) -> None:
        """Called twice a second while there is no request."""

    def _refuse(self, request: Request, error: UserError) -> None:
        # If there is no older part either, the state lasts until something else is chosen.
        self._notices.error(self.name, error, is_lasting=self._part is None)
        self._results.put(Refused(request.number, request.settings, self.refused_fields, self.name, error))

    def _retry(self, settings: Settings) -> None:
        """From `_idle`: serve the last request again, unless there was a newer one or a `close`."""
        with self._changed:
            if self._waiting is None and self._is_current() and not self._is_stopped:
                self._waiting, self._is_retry = Request(self._last_number, settings), True

    def _step(self, stop: threading.Event) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or stop.is_set(), IDLE_S)
            if stop.is_set():
                # A request that waits now is for the next start.
                return
            request, self._waiting = self._waiting, None
            self._serving = self._generation
            self._is_opening = request is not None
        if request is None:
            self._idle()
            return
        try:
            self._serve(request)
        finally:
            self._end_opening()

    def _end_opening(self) -> None:
        with self._changed:
            self._is_opening = False
            self._changed.notify_all()

    def _is_current(self) -> bool:
        """On the slot's thread: whether no newer request, `cancel` or `close` was called since this one."""
        return self._generation == self._serving

    def _serve(self, request: Request) -> None:
        self._last_number = request.number
        if self._is_exclusive:
            self._close_older()
        if not self._is_current():
            return
        if not self._is_retry:
            self._notices.clear(self.name)
        try:
            part = self._open(request.settings)
        except UserError as error:
            with self._changed:
                if self._is_current():
                    self._refuse(request, error)
            return
        except Exception:
            # The worker posts the notice; the window must not show settings that are not in use.
            with self._changed:
                if self._is_current():
                    self._results.put(Refused(request.number, request.settings, self.refused_fields, self.name))
            raise
        with self._changed:
            is_used = self._is_current() and self._put_to_use(part, request)
        if not is_used:
            log.info("%s was opened too late or cannot be used, and is closed", self.name)
            self._close(part)

    def _close_older(self) -> None:
        with self._changed:
            older, self._part = self._part, None
        if older is not None:
            self._close(older)

    def _put_to_use(self, part: P, request: Request) -> bool:
        if self._is_retry:
            # The notice of the first failure was visible until now.
            self._notices.clear(self.name)
        older, self._part = self._part, part
        try:
            self._install(part, request.settings)
        except UserError as error:
            self._part = older
            self._refuse(request, error)
            return False
        self.in_use = self._used(part, request.settings)
        if not self._is_retry:
            # The window asked for no retry, and may not have read the refusal of its own request yet.
            self._results.put(Applied(request.number, self.in_use, self.fields))
        return True
