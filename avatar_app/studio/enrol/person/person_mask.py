"""Finds the person in pictures, coarsely, by the segmentation model of mediapipe in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import UInt8
from avatar_app.live.webcam.child_process import pipe_of, start_child
from avatar_app.live.webcam.package import require_package
from avatar_app.live.webcam.protocol import write_picture
from avatar_app.studio.enrol.person.person_mask_protocol import MASK, READY, read_reply

COMMAND = (sys.executable, "-m", "avatar_app.studio.enrol.person.person_mask_main")
END_TIMEOUT_S = 5.0
KEEP_THE_BACKGROUND = "Run `avatar-app webcam setup`, then try again; or keep the background with --keep-background."


class PersonFinder(Protocol):
    """Finds the person in a picture."""

    def __call__(self, bgr: UInt8) -> UInt8:
        """(H, W) uint8 for a picture (H, W, 3): 255 where the model is sure that there is a person."""
        ...


class PersonFinderProcess:
    """A `PersonFinder` in a process, which ends with the `with` block. Thread: one.

    Args:
        command: starts the process; tests pass their own.

    Raises:
        MissingExtraError: mediapipe is not installed.
        StudioError: the process cannot be started.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        if command is COMMAND:
            require_package()
        try:
            self._process = start_child(command)
        except OSError as error:
            raise StudioError(f"The background cannot be removed: {error}.", KEEP_THE_BACKGROUND) from error
        self._receive(READY)

    def __enter__(self) -> PersonFinderProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, bgr: UInt8) -> UInt8:
        """See `PersonFinder`.

        Raises:
            StudioError: the process has ended.
        """
        with contextlib.suppress(OSError):  # its end is noticed by the missing reply
            write_picture(pipe_of(self._process.stdin), 0, bgr)
        body = self._receive(MASK)
        if len(body) != bgr.shape[0] * bgr.shape[1]:
            self._fail("it sent a mask of another size")
        return np.frombuffer(body, np.uint8).reshape(bgr.shape[:2])

    def close(self) -> None:
        """Kill the process; a second call does nothing."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe_of(pipe).close()

    def _receive(self, kind: bytes) -> bytes:
        reply = read_reply(pipe_of(self._process.stdout))
        if reply is None:
            self._fail("the process that finds the person ended")
        if reply[0] != kind:
            self._fail(reply[1].decode(errors="replace") or "it sent an unexpected reply")
        return reply[1]

    def _fail(self, reason: str) -> NoReturn:
        self.close()
        raise StudioError(f"The background cannot be removed: {reason}.", KEEP_THE_BACKGROUND)
