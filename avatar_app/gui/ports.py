"""What the window needs of the rest of the program, so that a test can hand it something smaller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from avatar_app.contracts.handoff import Mailboxes
from avatar_app.contracts.packets import Picture
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.runtime.slot import Refused
    from avatar_app.live.sinks import SinksStatus
    from avatar_app.live.status import OpenDevices
    from avatar_app.live.webcam import Preview, WebcamStatus

OnAirFigures: TypeAlias = "SinksStatus"
WebcamFigures: TypeAlias = "WebcamStatus"
WebcamPicture: TypeAlias = "Preview"
Refusal: TypeAlias = "Refused"
Devices: TypeAlias = "OpenDevices"


class MicFigures(Protocol):
    """The part of a microphone's status that is shown."""

    @property
    def device(self) -> str:
        """Name of the device."""
        ...

    @property
    def rate_hz(self) -> int:
        """Rate at which the device runs."""
        ...

    @property
    def n_channels(self) -> int:
        """Channels that the device delivers."""
        ...


class LiveFigures(Protocol):
    """The part of `LivePipeline.status()` that is shown; times in milliseconds, NaN before the first value."""

    @property
    def is_running(self) -> bool: ...  # noqa: D102
    @property
    def fps_out(self) -> float: ...  # noqa: D102
    @property
    def stage_ms(self) -> dict[str, tuple[float, float]]: ...  # noqa: D102
    @property
    def latency_p50_ms(self) -> float: ...  # noqa: D102
    @property
    def latency_p95_ms(self) -> float: ...  # noqa: D102
    @property
    def engine(self) -> str: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def lookahead_ms(self) -> int: ...  # noqa: D102
    @property
    def n_dropped(self) -> int: ...  # noqa: D102
    @property
    def n_repeated(self) -> int: ...  # noqa: D102
    @property
    def n_missed(self) -> int: ...  # noqa: D102
    @property
    def rss_mb(self) -> float: ...  # noqa: D102
    @property
    def cpu_percent(self) -> float: ...  # noqa: D102
    @property
    def mic(self) -> MicFigures: ...  # noqa: D102
    @property
    def is_speaking(self) -> bool: ...  # noqa: D102


class Pipeline(Protocol):
    """The live path as the window sees it."""

    @property
    def settings(self) -> Settings:
        """The settings really in use."""
        ...

    def take_refused(self) -> tuple[Refusal, ...]:
        """The requests that failed since the last call."""
        ...

    def open_devices(self) -> Devices:
        """Which devices that watch or listen are open now, whatever is wanted."""
        ...

    @property
    def pictures(self) -> Mailboxes[Picture]:
        """Every finished picture."""
        ...

    def note_shown(self, picture: Picture, t_ns: int) -> None:
        """Say when a picture was shown."""
        ...

    def start(self) -> None:
        """Start; a second call is fine."""
        ...

    def cut_devices(self) -> None:
        """Close microphone and webcam at once, before what leaves the program is ended."""
        ...

    def stop(self) -> None:
        """Stop; twice is fine."""
        ...

    def close(self) -> None:
        """Stop, and wait for what is being opened."""
        ...

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on."""
        ...

    def refresh_mic(self) -> None:
        """Open the microphone anew."""
        ...

    def shown_ms(self) -> tuple[float, float]:
        """Medians in ms: from a sound's capture to its picture, and from there to the screen; NaN at first."""
        ...

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Show only what stands behind the avatar, or the avatar again."""
        ...

    def webcam(self) -> WebcamFigures | None:
        """How the webcam goes; None while the head does not follow."""
        ...

    def webcam_preview(self) -> WebcamPicture | None:
        """The newest picture of the user with the points that were found in it, for the window alone."""
        ...

    def calibrate_webcam(self) -> None:
        """Take the next three seconds as the user's neutral pose; nothing while the head does not follow."""
        ...

    def status(self) -> LiveFigures:
        """Figures for the HUD."""
        ...

    def level_db(self) -> tuple[float, float]:
        """RMS and peak level in dBFS."""
        ...


class OnAir(Protocol):
    """What leaves the program, as the window sees it."""

    def start(self) -> None:
        """Go on air with what is switched on; a second call is fine."""
        ...

    def stop(self) -> None:
        """End everything but the browser source, which shows nothing then; a film is saved meanwhile. Twice is fine."""
        ...

    def close(self) -> None:
        """Stop, end the browser source too, and wait for what is being opened or saved."""
        ...

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on."""
        ...

    def status(self) -> OnAirFigures:
        """How it goes."""
        ...

    @property
    def page_url(self) -> str:
        """The browser source's address with its token; empty while it is off."""
        ...

    @property
    def delay_ms(self) -> float:
        """How late a voice must be to meet its picture now; NaN while that is not known."""
        ...

    @property
    def is_recording(self) -> bool:
        """Whether something is being recorded."""
        ...

    def start_recording(self) -> None:
        """Begin a recording."""
        ...

    def stop_recording(self) -> None:
        """Ask the recording to end."""
        ...

    def take_snapshot(self) -> None:
        """Have the next picture written; a notice says where it is."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What others may know of the window."""

    settings: Settings
    is_running: bool
    is_recording: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a chooser: the value for the settings, the text, a tool tip."""

    value: str
    text: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Where the choosers get their entries; asked anew whenever a list may have changed.

    Attributes:
        mics: microphones by `NAME, HOST API`.
        avatars: installed avatars.
        models: students that draw the avatar with the given id, best first.
        outputs: sound outputs that can play the voice.
        cameras: cameras by name; may take seconds, so it is asked on a thread of its own.
    """

    mics: Callable[[], tuple[Option, ...]]
    avatars: Callable[[], tuple[Option, ...]]
    models: Callable[[str], tuple[Option, ...]]
    outputs: Callable[[], tuple[Option, ...]] = tuple
    cameras: Callable[[], tuple[Option, ...]] = tuple


@dataclass(frozen=True, slots=True)
class Dialogs:
    """Questions that open a window of their own; each answers None when the user cancels."""

    ask_colour: Callable[[str], str | None]
    ask_picture: Callable[[str], str | None]
    ask_sound: Callable[[], str | None]
    ask_video: Callable[[], str | None]
    ask_name: Callable[[str], str | None]
    ask_profile: Callable[[], str | None]
    ask_profile_to_write: Callable[[str], str | None]
    ask_folder: Callable[[str], str | None]
