"""Controls the tracker process: sends pictures and receives replies without blocking."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.packets import UInt8
from avatar_app.live.webcam.child_process import pipe_of, start_child
from avatar_app.live.webcam.protocol import FAILED, Reply, read_reply, write_picture

COMMAND = (sys.executable, "-m", "avatar_app.live.webcam.tracker_main")
# For recordings, see `tracker_main`.
RECORDING_COMMAND = (*COMMAND, "--every-picture")
END_TIMEOUT_S = 1.0
WAIT_S = 0.2


class Tracker(Protocol):
    """Tracks faces in another process. Thread: one."""

    @property
    def is_alive(self) -> bool:
        """Whether it can still reply."""
        ...

    def send(self, number: int, bgr: UInt8) -> None:
        """Send a picture without blocking; only after the reply to the previous one."""
        ...

    def receive(self, timeout_s: float) -> Reply | None:
        """The next reply; None when none arrived in time."""
        ...

    def close(self) -> None:
        """End the process; a second call does nothing."""
        ...


class TrackerProcess:
    """A tracker process, with two threads that write to and read from its pipes.

    The process ends when its input closes, so it never outlives this program.

    Args:
        command: starts the process; tests pass their own.

    Raises:
        CameraInputError: the process cannot be started.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        try:
            self._process = start_child(command)
        except OSError as error:
            raise CameraInputError(f"The face tracker cannot be started ({error}).", "Restart the program.") from error
        self._pictures: Latest[tuple[int, UInt8]] = Latest()
        self._replies: Latest[Reply] = Latest()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"tracker-{name}", daemon=True)
            for name, target in (("pictures", self._write), ("replies", self._read))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still reply."""
        return not self._is_over.is_set()

    def send(self, number: int, bgr: UInt8) -> None:
        """Send a picture without blocking."""
        self._pictures.put((number, bgr))

    def receive(self, timeout_s: float) -> Reply | None:
        """The next reply; None when none arrived in time."""
        return self._replies.take(timeout_s)

    def close(self) -> None:
        """Kill the process, which also ends the threads; a second call does nothing."""
        self._is_over.set()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        for thread in self._threads:
            thread.join(END_TIMEOUT_S)

    def _write(self) -> None:
        pipe = pipe_of(self._process.stdin)
        try:
            while not self._is_over.is_set():
                picture = self._pictures.take(WAIT_S)
                if picture is not None:
                    write_picture(pipe, *picture)
        except OSError:
            pass  # the process has ended; the reading thread notices that too
        finally:
            self._is_over.set()
            _close(pipe)

    def _read(self) -> None:
        pipe = pipe_of(self._process.stdout)
        while (reply := read_reply(pipe.read)) is not None:
            self._replies.put(reply)
            if reply.kind == FAILED:
                break
        self._is_over.set()
        pipe.close()


def _close(pipe: BinaryIO) -> None:
    # Unwritten data has no reader any more.
    with contextlib.suppress(OSError):
        pipe.close()
