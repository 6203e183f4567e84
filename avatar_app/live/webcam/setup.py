"""Installs the face tracker and lists cameras, for `avatar-app webcam` and the button in the window."""

from __future__ import annotations

from collections.abc import Callable

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.devices import list_cameras
from avatar_app.live.webcam.package import install, is_installed, is_outdated
from avatar_app.live.webcam.protocol import READY, Reply
from avatar_app.live.webcam.tracker_process import TrackerProcess

CHECK_NS = s_to_ns(60)


def run(what: str) -> int:
    """Run a subcommand and print its result.

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
    _print("Head tracking is ready.")
    return 0


def set_up(report: Callable[[str], None]) -> None:
    """Install the face tracker, unless the version that this program needs runs already.

    Args:
        report: called with a line for each step.

    Raises:
        CameraInputError: it cannot be installed, or does not run here.
    """
    if not is_installed() or is_outdated() or _first_reply().kind != READY:
        install(report)
    reply = _first_reply()
    if reply.kind != READY:
        raise CameraInputError(f"The face tracker does not run here: {reply.problem}.", "Report this message to us.")


def _first_reply() -> Reply:
    """The first reply of a tracker after its start."""
    tracker = TrackerProcess()
    t_limit_ns = MonotonicClock().now_ns() + CHECK_NS
    try:
        while MonotonicClock().now_ns() < t_limit_ns:
            reply = tracker.receive(0.2)
            if reply is not None:
                return reply
            if not tracker.is_alive:
                break
        return tracker.receive(0) or Reply(b"X", problem="it ended without a message")
    finally:
        tracker.close()


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201
