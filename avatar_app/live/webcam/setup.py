"""`avatar-app webcam`: installs the face tracker, and names the cameras."""

from __future__ import annotations

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.devices import list_cameras
from avatar_app.live.webcam.package import install, is_installed
from avatar_app.live.webcam.process import TrackerProcess
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
    if not is_installed() or _first_answer().kind != READY:
        install(_print)
    reply = _first_answer()
    if reply.kind != READY:
        raise CameraInputError(f"The face tracker does not run here: {reply.problem}.", "Send us this line.")
    _print("Your head can be followed.")
    return 0


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
