"""Installs the face tracker, and names the cameras: `avatar-app webcam`, and the window's button."""

from __future__ import annotations

from collections.abc import Callable

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.devices import list_cameras
from avatar_app.live.webcam.package import install, is_installed, is_outdated
from avatar_app.live.webcam.tracker_process import TrackerProcess
from avatar_app.live.webcam.wire import READY, Reply

CHECK_NS = s_to_ns(60)


def run(what: str) -> int:
    """Do what the command says, and print it.

    Args:
        what: "setup" or "list".

    Raises:
        CameraInputError: the tracker cannot be installed, or does not run here.
    """
    if what == "list":
        names = [camera.name for camera in list_cameras()]
        _print("\n".join(names) or "No camera was found.")
        return 0
    set_up(_print)
    _print("Your head can be followed.")
    return 0


def set_up(tell: Callable[[str], None]) -> None:
    """Install the face tracker, unless the one that this version is made for runs already.

    Args:
        tell: gets a line for each step.

    Raises:
        CameraInputError: it cannot be installed, or does not run here.
    """
    if not is_installed() or is_outdated() or _first_answer().kind != READY:
        install(tell)
    reply = _first_answer()
    if reply.kind != READY:
        raise CameraInputError(f"The face tracker does not run here: {reply.problem}.", "Send us this line.")


def _first_answer() -> Reply:
    """What a tracker says after its start."""
    tracker = TrackerProcess()
    t_limit_ns = MonotonicClock().now_ns() + CHECK_NS
    try:
        while MonotonicClock().now_ns() < t_limit_ns:
            reply = tracker.answer(0.2)
            if reply is not None:
                return reply
            if not tracker.is_alive:
                break
        return tracker.answer(0) or Reply(b"X", problem="it ended without a word")
    finally:
        tracker.close()


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201
