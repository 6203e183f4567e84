"""The parts that `app.run` builds the program from, and the list of the sinks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from avatar_app.contracts.clock import Clock, MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.sink import MakeSink, SinkSource
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.enrol.job import COMMAND
from avatar_app.gui.enrol.services import Session, real_session, what_is_missing
from avatar_app.gui.panel.catalogue import Camera, Device
from avatar_app.gui.ports import Pipeline, Sinks
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret

if TYPE_CHECKING:
    from avatar_app.live.browser import Action, State

# `live` is imported when it is needed, so that a second start, which only raises the window, is quick.

log = logging.getLogger(__name__)


class Live(Pipeline, SinkSource, Protocol):
    """The live path, as the window and the sinks use it."""


def sink_list(token: str, control: Mapping[str, Action], state: Callable[[], State]) -> tuple[MakeSink[Settings], ...]:
    """The sinks of the program in the order in which they are started; a new sink is one more line.

    Args:
        token: what every request to the browser source must carry.
        control: actions of the control API by name.
        state: returns what control clients see.
    """
    from avatar_app.live.browser.sink import BrowserSink
    from avatar_app.live.camera.sink import CameraSink
    from avatar_app.live.record.sink import RecordSink
    from avatar_app.live.voice.sink import VoiceSink

    return (
        partial(BrowserSink, token=token, control=control, state=state),
        CameraSink,
        VoiceSink,
        RecordSink,
    )


def live_pipeline(settings: Settings, paths: ProfilePaths, clock: Clock, notices: NoticeBoard) -> Live:
    """The real live path."""
    from avatar_app.live.pipeline import LivePipeline

    return LivePipeline(settings, paths, clock, notices)


def live_sinks(source: Live, settings: Settings, paths: ProfilePaths, notices: NoticeBoard, remote: Remote) -> Sinks:
    """The real sinks, with the control API of a window."""
    from avatar_app.live.sinks import Sinks as LiveSinks

    makers = sink_list(secret(paths.state_dir / "browser-token"), remote.actions(), remote.state)
    return LiveSinks(makers, source, settings, MonotonicClock(), notices)


def device_mics() -> tuple[Device, ...]:
    """The microphones of this machine.

    Raises:
        AudioInputError: the sound system does not answer.
    """
    from avatar_app.live.mic import list_devices

    return tuple(list_devices())


def refresh_mics() -> None:
    """Update the list of microphones."""
    from avatar_app.live.mic import refresh_devices

    refresh_devices()


def device_outputs() -> tuple[Device, ...]:
    """The sound outputs of this machine.

    Raises:
        OutputError: the sound system does not answer.
    """
    from avatar_app.live.voice import list_outputs

    return tuple(list_outputs())


def device_cameras() -> tuple[Camera, ...]:
    """The webcams of this machine."""
    from avatar_app.live.webcam import list_cameras

    return list_cameras()


def require_tracker() -> None:
    """Check that the face tracker is installed.

    Raises:
        MissingExtraError: it is not.
    """
    from avatar_app.live.webcam.package import require_package

    require_package()


def tracker_installer() -> Callable[[], None] | None:
    """A function that installs the face tracker; None where this version of Python is not supported."""
    from avatar_app.live.webcam.package import can_install
    from avatar_app.live.webcam.setup import set_up

    return partial(set_up, log.info) if can_install() else None


@dataclass(frozen=True, slots=True)
class Parts:
    """How `app.run` makes each part of the program; tests replace some of them.

    Attributes:
        make_pipeline: makes the live path.
        make_sinks: makes the sinks.
        list_mics: lists microphones.
        refresh_mics: updates the list of microphones, called periodically; None disables this.
        list_outputs: lists sound outputs.
        list_cameras: lists webcams.
        require_tracker: raises `MissingExtraError` when there is no face tracker.
        tracker_installer: returns a function that installs the face tracker, or None.
        make_session: makes camera and microphone of a recording for an avatar of the user.
        missing_to_enrol: why no avatar of the user can be made here; empty if it can.
        enrol_command: starts this program for an enrolment.
    """

    make_pipeline: Callable[[Settings, ProfilePaths, Clock, NoticeBoard], Live] = live_pipeline
    make_sinks: Callable[[Live, Settings, ProfilePaths, NoticeBoard, Remote], Sinks] = live_sinks
    list_mics: Callable[[], tuple[Device, ...]] = device_mics
    refresh_mics: Callable[[], None] | None = refresh_mics
    list_outputs: Callable[[], tuple[Device, ...]] = device_outputs
    list_cameras: Callable[[], tuple[Camera, ...]] = device_cameras
    require_tracker: Callable[[], None] = require_tracker
    tracker_installer: Callable[[], Callable[[], None] | None] = tracker_installer
    make_session: Callable[[Settings], Session] = real_session
    missing_to_enrol: Callable[[], str] = what_is_missing
    enrol_command: Sequence[str] = COMMAND
