"""The tracker's process as its owner sees it: pictures in, answers out, and never a wait for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.packets import UInt8
from avatar_app.live.runtime.environment import copy_environment
from avatar_app.live.webcam.wire import FAILED, Reply, read_reply, write_picture

COMMAND = (sys.executable, "-m", "avatar_app.live.webcam.tracker_child")
# One thread: on two cores more of them wait for each other, and the lips need the second one.
VARIABLES = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "3"}
END_TIMEOUT_S = 1.0
WAIT_S = 0.2


class Tracker(Protocol):
    """Finds faces somewhere else. Thread: one."""

    @property
    def is_alive(self) -> bool:
        """Whether it can still answer."""
        ...

    def send(self, number: int, bgr: UInt8) -> None:
        """Hand a picture over; never waits. Only after the answer to the one before."""
        ...

    def answer(self, timeout_s: float) -> Reply | None:
        """The next answer; None when none came in time."""
        ...

    def close(self) -> None:
        """End it; twice is fine."""
        ...


class TrackerProcess:
    """A process that tracks, and the two threads that stand at its pipes, so that nobody else waits there.

    It ends by itself when its input ends: with this program, however that ends.

    Args:
        command: another program in its place, for tests.

    Raises:
        CameraInputError: the process cannot be started.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise CameraInputError(f"The face tracker cannot be started ({error}).", "Restart the program.") from error
        self._pictures: Latest[tuple[int, UInt8]] = Latest()
        self._replies: Latest[Reply] = Latest()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"tracker-{name}", daemon=True)
            for name, target in (("pictures", self._write), ("answers", self._read))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still answer."""
        return not self._is_over.is_set()

    def send(self, number: int, bgr: UInt8) -> None:
        """Hand a picture over; never waits."""
        self._pictures.put((number, bgr))

    def answer(self, timeout_s: float) -> Reply | None:
        """The next answer; None when none came in time."""
        return self._replies.take(timeout_s)

    def close(self) -> None:
        """Kill it, which ends the threads at its pipes too; twice is fine."""
        self._is_over.set()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        for thread in self._threads:
            thread.join(END_TIMEOUT_S)

    def _write(self) -> None:
        pipe = self._pipe(self._process.stdin)
        try:
            while not self._is_over.is_set():
                picture = self._pictures.take(WAIT_S)
                if picture is not None:
                    write_picture(pipe, *picture)
        except OSError:
            pass  # it is gone; the other thread sees that too
        finally:
            self._is_over.set()
            _close(pipe)

    def _read(self) -> None:
        pipe = self._pipe(self._process.stdout)
        while (reply := read_reply(pipe.read)) is not None:
            self._replies.put(reply)
            if reply.kind == FAILED:
                break
        self._is_over.set()
        pipe.close()

    @staticmethod
    def _pipe(pipe: object) -> BinaryIO:
        if pipe is None:
            raise AssertionError("a pipe was asked for")
        return pipe  # type: ignore[return-value]


def _close(pipe: BinaryIO) -> None:
    # What was not written yet has nobody to read it.
    with contextlib.suppress(OSError):
        pipe.close()


def _environment() -> dict[str, str]:
    """Ours, and the folder that this package was imported from."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return copy_environment(**VARIABLES, PYTHONPATH=os.pathsep.join(paths))
