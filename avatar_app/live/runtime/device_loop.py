"""Drivers of cameras, in and out: a thread that is inside one may never come back, and another program may hold it."""

from __future__ import annotations

import glob
import logging
import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 0.5


class Closable(Protocol):
    """What is given back by `close`."""

    def close(self) -> None:
        """Give it back; twice is fine."""
        ...


D = TypeVar("D", bound=Closable)


class Hold(Generic[D]):
    """The device of an owner who may be stopped while a thread opens it.

    After `end` nothing is held any more: what an opening thread brings later is closed at once. Thread: any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._device: D | None = None
        self._is_over = False

    @property
    def device(self) -> D | None:
        """What is open now."""
        return self._device

    @property
    def is_over(self) -> bool:
        """Whether `end` was called."""
        return self._is_over

    def keep(self, opened: D) -> bool:
        """Hold a device that was just opened; False, and it is closed, after `end`."""
        with self._lock:
            if not self._is_over:
                self._device = opened
                return True
        opened.close()
        return False

    def release(self) -> None:
        """Close the device, if there is one; another one may be kept later."""
        with self._lock:
            device, self._device = self._device, None
        if device is not None:
            device.close()

    def end(self) -> None:
        """Close the device, and keep none from now on; twice is fine."""
        with self._lock:
            self._is_over = True
        self.release()


class DriverLoop(ABC):
    """Owns a device from `start` to `stop` of a session.

    Thread: `step` and `recover` by its worker; `close` by the owner after it.
    """

    def __init__(self) -> None:
        # Held while the thread is inside a driver; whoever cannot get it must leave the device alone.
        self._in_use = threading.Lock()
        self._is_over = False

    def step(self, stop: threading.Event) -> None:
        """Work once, and give the device back when the session ended meanwhile; the worker's step."""
        with self._in_use:
            self._work(stop)
            if self._is_over:
                self._give_back()

    def recover(self) -> None:
        """Begin again with a device opened anew; what a worker does after an error of ours."""
        with self._in_use:
            self._give_back()

    def end(self) -> None:
        """Say that the session is over; the thread gives the device back as soon as it leaves the driver."""
        self._is_over = True
        self._tell_end()

    def close(self) -> None:
        """End the session and give the device back; a blocked driver does so when it wakes."""
        self.end()
        if not self._in_use.acquire(timeout=CLOSE_TIMEOUT_S):
            log.warning("the camera's driver does not answer; it is given back when it does")
            return
        try:
            self._say_goodbye()
            self._give_back()
        finally:
            self._in_use.release()

    @abstractmethod
    def _work(self, stop: threading.Event) -> None:
        """Use the device once, or look for it."""

    @abstractmethod
    def _give_back(self) -> None:
        """Close the device; without one nothing happens."""

    @abstractmethod
    def _tell_end(self) -> None:
        """The session is over, whatever the driver does."""

    def _say_goodbye(self) -> None:  # noqa: B027 - most devices need none
        """Use the device for the last time."""


def users_of(path: str) -> tuple[str, ...]:
    """Names of other programs that have a file open, such as a device, as far as this user may see."""
    names = set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        process = link.split("/")[2]
        try:
            if os.readlink(link) == path and process != str(os.getpid()):
                names.add(Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip())
        except OSError:
            continue
    return tuple(sorted(names))
