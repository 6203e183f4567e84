"""What the wizard needs of the rest of the program; tests replace some of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from avatar_app.contracts.clock import Clock, MonotonicClock
from avatar_app.gui.enrol.teleprompter import Camera
from avatar_app.live.webcam.package import can_install, is_installed
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.enrol import SessionStatus
    from avatar_app.live.webcam.picture_source import CameraFrame

STUDIO_PACKAGES = ("torch", "onnx", "safetensors")
STUDIO_COMMAND = ".venv/bin/pip install -e '.[studio]'"
TRACKER_COMMAND = "avatar-app webcam setup"
NO_STUDIO = f"Making an avatar needs the studio extra. Install it: {STUDIO_COMMAND}"
NO_TRACKER = f"Making an avatar needs the face tracker. Install it: {TRACKER_COMMAND}"
NO_TRACKER_EVER = "Making an avatar needs Python 3.12 or older: the face tracker supports no newer one."


class Session(Camera, Protocol):
    """An open camera and microphone: see `RecordingSession`."""

    def start(self) -> None:
        """Open camera and microphone in the background."""
        ...

    def stop(self) -> None:
        """Close them."""
        ...

    def preview(self) -> CameraFrame | None:
        """The newest picture; None without one."""
        ...

    def status(self) -> SessionStatus:
        """The current status."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the wizard needs.

    Attributes:
        paths: the user's folders.
        assets: the program's assets.
        settings: the settings in use: microphone, webcam, gain.
        make_session: makes camera and microphone of a recording.
        missing: why no avatar can be made here, with the command that installs what is missing; empty if it can.
        ask_video: lets the user choose a video file; None when cancelled.
        ask_delete: asks whether the avatar of a name is to be deleted.
        set_live: pauses the live avatar, which has camera and microphone, or lets it continue.
        clock: the program's.
    """

    paths: ProfilePaths
    assets: Path
    settings: Callable[[], Settings]
    make_session: Callable[[Settings], Session]
    missing: Callable[[], str]
    ask_video: Callable[[], str | None]
    ask_delete: Callable[[str], bool]
    set_live: Callable[[bool], None] = lambda is_live: None
    clock: Clock = field(default_factory=MonotonicClock)


def real_session(settings: Settings) -> Session:
    """Camera and microphone of the settings."""
    from avatar_app.live.enrol import RecordingSession

    return RecordingSession(settings.webcam, settings.mic, settings.mic_gain_db, MonotonicClock())


def what_is_missing() -> str:
    """Why no avatar can be made here, with the command that installs it; imports nothing."""
    if any(importlib.util.find_spec(name) is None for name in STUDIO_PACKAGES):
        return NO_STUDIO
    if is_installed():
        return ""
    return NO_TRACKER if can_install() else NO_TRACKER_EVER
