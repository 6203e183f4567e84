"""Devices whose drivers may block indefinitely: microphones, sound outputs, webcams, virtual cameras."""

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
    """A device that can be closed."""

    def close(self) -> None:
        """Close it; a second call does nothing."""
        ...


D = TypeVar("D", bound=Closable)


class Hold(Generic[D]):
    """Holds the device of an owner that may be stopped while a thread opens the device.

    After `end` it holds nothing: a device that a thread opens later is closed immediately. Thread: any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._device: D | None = None
        self._is_over = False

    @property
    def device(self) -> D | None:
        """The open device; None without one."""
        return self._device

    @property
    def is_over(self) -> bool:
        """Whether `end` was called."""
        return self._is_over

    def keep(self, opened: D) -> bool:
        """Hold a device that was just opened. After `end` it is closed instead, and the result is False."""
        with self._lock:
            if not self._is_over:
                self._device = opened
                return True
        opened.close()
        return False

    def release(self) -> None:
        """Close the device, if there is one; `keep` may follow."""
        with self._lock:
            device, self._device = self._device, None
        if device is not None:
            device.close()

    def end(self) -> None:
        """Close the device, and hold none from now on; a second call does nothing."""
        with self._lock:
            self._is_over = True
        self.release()


class DriverLoop(ABC):
    """Owns a device for one session.

    Thread: `step` and `recover` by its worker; `close` by the owner after it.
    """

    def __init__(self) -> None:
        # Held while the thread may be inside the driver; without it no other thread may use the device.
        self._in_use = threading.Lock()
        self._is_over = False

    def step(self, stop: threading.Event) -> None:
        """Work once, and close the device if the session ended meanwhile; the worker's step."""
        with self._in_use:
            self._work(stop)
            if self._is_over:
                self._close_device()

    def recover(self) -> None:
        """Close the device, so that the next step opens it again; the worker calls it after a failed step."""
        with self._in_use:
            self._close_device()

    def end(self) -> None:
        """End the session; the thread closes the device as soon as it leaves the driver."""
        self._is_over = True
        self._on_end()

    def close(self) -> None:
        """End the session and close the device. If its driver blocks, the device is closed when the driver returns."""
        self.end()
        if not self._in_use.acquire(timeout=CLOSE_TIMEOUT_S):
            log.warning("the camera's driver does not answer; the camera is closed when it does")
            return
        try:
            self._use_last()
            self._close_device()
        finally:
            self._in_use.release()

    @abstractmethod
    def _work(self, stop: threading.Event) -> None:
        """Use the device once, or try to open it."""

    @abstractmethod
    def _close_device(self) -> None:
        """Close the device; without one, do nothing."""

    @abstractmethod
    def _on_end(self) -> None:
        """The session has ended, even if the driver still blocks."""

    def _use_last(self) -> None:  # noqa: B027 - most devices need none
        """Use the device for the last time before it is closed."""


def users_of(path: str) -> tuple[str, ...]:
    """Names of other programs that have a file open, such as a device, as far as this user may know (Linux)."""
    names = set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        process = link.split("/")[2]
        try:
            if os.readlink(link) == path and process != str(os.getpid()):
                names.add(Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip())
        except OSError:
            continue
    return tuple(sorted(names))
