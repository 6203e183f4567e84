"""Interfaces of the rest of the program that tests replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from avatar_app.contracts.handoff import Mailboxes
from avatar_app.contracts.packets import Picture
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    # The live path imports the inference engines, which the window does not need to open.
    from avatar_app.live.pipeline import LiveStatus, OpenDevices
    from avatar_app.live.runtime.slot import Result
    from avatar_app.live.sinks import SinksStatus
    from avatar_app.live.webcam import Preview, WebcamStatus

Changes: TypeAlias = Mapping[str, bool | int | float | str]


class Pipeline(Protocol):
    """The live path: see `LivePipeline`."""

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        ...

    def take_results(self) -> tuple[Result, ...]:
        """The results of requests since the last call, at most one for each part."""
        ...

    def open_devices(self) -> OpenDevices:
        """The devices that are open, whatever the settings say."""
        ...

    @property
    def pictures(self) -> Mailboxes[Picture]:
        """Every finished picture, for mailboxes that are added."""
        ...

    def note_shown(self, picture: Picture, t_ns: int) -> None:
        """Record when a picture was shown."""
        ...

    def start(self) -> None:
        """Start; a second call does nothing."""
        ...

    def close_devices(self) -> None:
        """Close microphone and webcam immediately, before the sinks end."""
        ...

    def stop(self) -> None:
        """Stop; a second call does nothing."""
        ...

    def close(self) -> None:
        """Stop, and wait for parts that are still opening."""
        ...

    def apply(self, settings: Settings) -> int:
        """Use other settings; returns the number of the request, which its results carry."""
        ...

    def refresh_mic(self) -> None:
        """Reopen the microphone."""
        ...

    def refresh_avatar(self) -> None:
        """Open avatar and model again, after they were made again."""
        ...

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Show the background alone, or the avatar again."""
        ...

    def webcam(self) -> WebcamStatus | None:
        """Status of the webcam; None while head tracking is off."""
        ...

    def webcam_preview(self) -> Preview | None:
        """The newest webcam picture with its landmarks."""
        ...

    def calibrate_webcam(self) -> None:
        """Learn the neutral pose from the next three seconds; does nothing while head tracking is off."""
        ...

    def status(self) -> LiveStatus:
        """Statistics of the live path."""
        ...

    def level_db(self) -> tuple[float, float]:
        """RMS and peak level in dBFS."""
        ...


class Sinks(Protocol):
    """Everything that leaves the program: see `live/sinks.py`."""

    def start(self) -> None:
        """Start the sinks that the settings switch on; a second call does nothing."""
        ...

    def stop(self) -> None:
        """End all sinks but the browser source, which goes blank; a second call does nothing."""
        ...

    def close(self) -> None:
        """Stop, end the browser source, and wait for what is being opened or saved."""
        ...

    def apply(self, settings: Settings) -> None:
        """Use other settings."""
        ...

    def status(self) -> SinksStatus:
        """Status of every sink."""
        ...

    @property
    def page_url(self) -> str:
        """URL of the browser source with its token; empty while it is off."""
        ...

    @property
    def delay_ms(self) -> float:
        """Delay that brings a voice in time with its picture; NaN while unknown."""
        ...

    @property
    def is_recording(self) -> bool:
        """Whether a recording runs."""
        ...

    def start_recording(self) -> None:
        """Start a recording.

        Raises:
            OutputError: the folder cannot be used, or the avatar is stopped.
        """
        ...

    def stop_recording(self) -> None:
        """End the recording."""
        ...

    def take_snapshot(self) -> None:
        """Save the next picture; a notice reports the file.

        Raises:
            OutputError: the avatar is stopped.
        """
        ...


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a drop-down list: its setting's value, its text, its tooltip."""

    value: str
    text: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Sources of the drop-down lists; each call lists again.

    Attributes:
        mics: microphones by `NAME, HOST API`.
        avatars: installed avatars.
        models: models of the avatar with the given id, best first.
        outputs: sound outputs that can play the voice.
        cameras: webcams by name; may block for seconds, so it is called on another thread.
    """

    mics: Callable[[], tuple[Option, ...]]
    avatars: Callable[[], tuple[Option, ...]]
    models: Callable[[str], tuple[Option, ...]]
    outputs: Callable[[], tuple[Option, ...]] = tuple
    cameras: Callable[[], tuple[Option, ...]] = tuple


@dataclass(frozen=True, slots=True)
class Dialogs:
    """Dialogs that ask the user; each returns None when cancelled, `ask_delete` whether the user agrees."""

    ask_colour: Callable[[str], str | None]
    ask_picture: Callable[[str], str | None]
    ask_sound: Callable[[], str | None]
    ask_video: Callable[[], str | None]
    ask_name: Callable[[str], str | None]
    ask_profile: Callable[[], str | None]
    ask_profile_to_write: Callable[[str], str | None]
    ask_folder: Callable[[str], str | None]
    ask_title: Callable[[str], str | None]
    ask_avatar: Callable[[], str | None]
    ask_avatar_to_write: Callable[[str], str | None]
    ask_delete: Callable[[str], bool]
