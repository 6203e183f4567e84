"""What leaves the program and takes time to open, a slot each: virtual camera, browser source, synced voice."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Generic, Protocol, TypeVar

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.live.browser import Action, BrowserSource, State
from avatar_app.live.camera import VirtualCamera, layout_of
from avatar_app.live.runtime.slot import Slot
from avatar_app.live.voice import VoiceOutput
from avatar_app.settings.schema import Settings


class Source(Protocol):
    """The live path as the sinks see it."""

    @property
    def voice(self) -> Fan[VoiceBlock]: ...  # noqa: D102
    def add_sink(self, name: str) -> Latest[Picture]: ...  # noqa: D102
    def remove_sink(self, sink: Latest[Picture]) -> None: ...  # noqa: D102
    def shown_ms(self) -> tuple[float, float]: ...  # noqa: D102
    def heard_from(self) -> str: ...  # noqa: D102


class Startable(Protocol):
    """What a slot of this module opens."""

    def start(self) -> None: ...  # noqa: D102
    def stop(self) -> object: ...  # noqa: D102


S = TypeVar("S", bound=Startable)


class SinkSlot(Slot[S], Generic[S]):
    """A sink that its settings switch on and off. Thread: see `Slot`."""

    def __init__(self, name: str, fields: tuple[str, ...], settings: Settings, notices: NoticeBoard) -> None:
        super().__init__(name, fields, settings, notices, is_exclusive=True)

    @abstractmethod
    def is_on(self, settings: Settings) -> bool:
        """Whether these settings switch it on."""

    def turn(self, settings: Settings) -> None:
        """Open it anew as the settings say, or close it at once."""
        if self.is_on(settings):
            self.want(settings)
        else:
            self.cut()

    def _install(self, part: S, settings: Settings) -> None:
        """Nothing: it runs since it was started."""

    def _close(self, part: S) -> None:
        part.stop()


class PictureSlot(SinkSlot[S]):
    """A sink with a mailbox for pictures, which goes with it."""

    def __init__(
        self, name: str, fields: tuple[str, ...], settings: Settings, notices: NoticeBoard, source: Source
    ) -> None:
        super().__init__(name, fields, settings, notices)
        self._source = source
        self._mailboxes: dict[S, Latest[Picture]] = {}

    def _open(self, settings: Settings) -> S:
        pictures = self._source.add_sink(self.name)
        with ExitStack() as stack:
            stack.callback(self._source.remove_sink, pictures)
            part = self._make(settings, pictures)
            part.start()
            self._mailboxes[part] = pictures
            stack.pop_all()
        return part

    def _close(self, part: S) -> None:
        try:
            super()._close(part)
        finally:
            self._source.remove_sink(self._mailboxes.pop(part))

    @abstractmethod
    def _make(self, settings: Settings, pictures: Latest[Picture]) -> S:
        """The sink, not started yet."""


class CameraSlot(PictureSlot[VirtualCamera]):
    """The virtual camera."""

    def __init__(self, settings: Settings, notices: NoticeBoard, source: Source, clock: Clock) -> None:
        fields = ("is_camera_on", "camera_size", "camera_device", "background", "background_colour")
        super().__init__("camera", fields, settings, notices, source)
        self._clock = clock

    def is_on(self, settings: Settings) -> bool:
        """See `SinkSlot`."""
        return settings.is_camera_on

    def _make(self, settings: Settings, pictures: Latest[Picture]) -> VirtualCamera:
        colour = settings.background_colour if settings.background == "colour" else ""
        layout = layout_of(settings.camera_size, colour=colour, keeps_alpha=settings.background == "checker")
        return VirtualCamera(pictures, layout, self._clock, self._notices, settings.camera_device)


class BrowserSlot(PictureSlot[BrowserSource]):
    """The page for OBS's browser source, with the control API.

    Args:
        settings: see `Slot`.
        notices: see `Slot`.
        source: where pictures come from.
        clock: the program's.
        token: what a viewer must know.
        control: what clients of the control API may ask for.
        state: what they are told.
    """

    def __init__(
        self,
        settings: Settings,
        notices: NoticeBoard,
        source: Source,
        clock: Clock,
        token: str,
        control: Mapping[str, Action],
        state: Callable[[], State],
    ) -> None:
        super().__init__("browser", ("is_browser_on", "browser_port"), settings, notices, source)
        self._clock = clock
        self._token, self._control, self._state = token, control, state
        self._is_shown = True

    def show(self, *, is_on: bool) -> None:
        """Show the pictures, or nothing: whoever stopped by the control API can start by it again."""
        with self._changed:
            self._is_shown = is_on
            if self.part is not None:
                self.part.show(is_on=is_on)

    def _install(self, part: BrowserSource, settings: Settings) -> None:
        part.show(is_on=self._is_shown)

    def is_on(self, settings: Settings) -> bool:
        """See `SinkSlot`."""
        return settings.is_browser_on

    def turn(self, settings: Settings) -> None:
        """See `SinkSlot`; a page that had moved to the wanted port stays."""
        running = self.part
        if running is None or not self.is_on(settings) or running.status().port != settings.browser_port:
            super().turn(settings)
        else:
            self.cancel()

    def _make(self, settings: Settings, pictures: Latest[Picture]) -> BrowserSource:
        return BrowserSource(
            pictures, self._token, settings.browser_port, self._clock, self._notices, self._control, self._state
        )


class VoiceSlot(SinkSlot[VoiceOutput]):
    """The voice in time with the picture."""

    def __init__(
        self,
        settings: Settings,
        notices: NoticeBoard,
        source: Source,
        clock: Clock,
        delay_ns: Callable[[], float | None],
    ) -> None:
        super().__init__("voice", ("voice_output",), settings, notices)
        self._source, self._clock, self._delay_ns = source, clock, delay_ns

    def is_on(self, settings: Settings) -> bool:
        """See `SinkSlot`."""
        return settings.voice_output != ""

    def _open(self, settings: Settings) -> VoiceOutput:
        source = self._source
        voice = VoiceOutput(
            settings.voice_output,
            source.voice,
            self._delay_ns,
            self._clock,
            self._notices,
            mic_source=source.heard_from,
        )
        voice.start()
        return voice
