"""Starts and stops the sinks, see `contracts/sink.py`. One that fails posts a notice; the others keep running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import InternalError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.sink import MakeSink, Sink, SinkContext, SinkSource
from avatar_app.contracts.units import NS_PER_MS
from avatar_app.live.browser import BrowserStatus
from avatar_app.live.browser.sink import BrowserSink
from avatar_app.live.camera import CameraStatus
from avatar_app.live.camera.sink import CameraSink
from avatar_app.live.record import RecordStatus
from avatar_app.live.record.sink import RecordSink
from avatar_app.live.runtime.slot import Slot
from avatar_app.live.voice import NO_VOICE, VoiceStatus
from avatar_app.live.voice.sink import VoiceSink
from avatar_app.settings.schema import Settings

# `close` waits this long for each sink that is being started.
CLOSE_TIMEOUT_S = 10.0

T = TypeVar("T")
K = TypeVar("K", bound=Sink[Settings])


@dataclass(frozen=True, slots=True)
class SinksStatus:
    """The status of every sink.

    Attributes:
        by_name: None for a sink that is off.
    """

    by_name: Mapping[str, object | None]

    @property
    def camera(self) -> CameraStatus | None:
        """The virtual camera; None while it is off."""
        return self._find(CameraSink.name, CameraStatus)

    @property
    def browser(self) -> BrowserStatus | None:
        """The browser source; None while it is off."""
        return self._find(BrowserSink.name, BrowserStatus)

    @property
    def voice(self) -> VoiceStatus:
        """The voice in sync."""
        return self._find(VoiceSink.name, VoiceStatus) or NO_VOICE

    @property
    def record(self) -> RecordStatus:
        """The last recording."""
        return self._find(RecordSink.name, RecordStatus) or RecordStatus()

    def _find(self, name: str, kind: type[T]) -> T | None:
        status = self.by_name.get(name)
        return status if isinstance(status, kind) else None


class SinkSlot(Slot[Sink[Settings]]):
    """Starts one sink in the background. Thread: see `Slot`."""

    def __init__(self, sink: Sink[Settings], settings: Settings, notices: NoticeBoard, source: SinkSource) -> None:
        super().__init__(sink.name, sink.fields, settings, notices, is_exclusive=True, title=sink.title)
        self.sink = sink
        self._source = source
        self._is_live = True

    def turn(self, settings: Settings) -> None:
        """Restart the sink with these settings, or stop it."""
        if not self.sink.is_on(settings):
            self.close()
        elif self.part is not None and self.sink.update(settings):
            self.cancel()
        else:
            self.request(settings)

    def set_live(self, *, is_live: bool) -> None:
        """See `Sink.set_live`; also holds for a sink that is being started."""
        with self._changed:
            self._is_live = is_live
            if self.part is not None:
                self.sink.set_live(is_live=is_live)

    def _open(self, settings: Settings) -> Sink[Settings]:
        self.sink.start(settings, self._source.pictures, self._source.voice)
        return self.sink

    def _install(self, part: Sink[Settings], settings: Settings) -> None:
        if part.stays_open:
            part.set_live(is_live=self._is_live)

    def _close(self, part: Sink[Settings]) -> None:
        part.stop()


class Sinks:
    """Starts and stops all sinks; the settings switch each of them on and off.

    Thread: all calls by one owner (the main thread); each sink is started by a slot on its own thread.

    Args:
        makers: makes the sinks; they are started in this order and stopped in the reverse one.
        source: the live path.
        settings: the current ones.
        clock: the program's.
        notices: where failures are posted.
    """

    def __init__(
        self,
        makers: Iterable[MakeSink[Settings]],
        source: SinkSource,
        settings: Settings,
        clock: Clock,
        notices: NoticeBoard,
    ) -> None:
        self._source = source
        self._settings = settings
        context = SinkContext(clock, notices, lambda: self._settings, source)
        self._slots = tuple(SinkSlot(make(context), settings, notices, source) for make in makers)
        self._is_running = False

    def start(self) -> None:
        """Start the sinks that the settings switch on; a second call does nothing."""
        if self._is_running:
            return
        self._is_running = True
        for slot in self._slots:
            if slot.sink.stays_open:
                slot.set_live(is_live=True)
            if slot.is_stopped:
                slot.start()
            slot.turn(self._settings)

    def stop(self) -> None:
        """Stop all sinks except those that stay open; a second call does nothing.

        A recording is saved in the background.
        """
        if not self._is_running:
            return
        self._is_running = False
        for slot in reversed(self._slots):
            if slot.sink.stays_open:
                slot.set_live(is_live=False)
            else:
                slot.stop()
                slot.close()

    def close(self) -> None:
        """Stop all sinks, and wait for starts and for recordings that are being saved, so that the process can end."""
        self.stop()
        for slot in reversed(self._slots):
            slot.stop()
            slot.close()
        for slot in reversed(self._slots):
            # `start` may still be running.
            slot.join(CLOSE_TIMEOUT_S)
            slot.sink.close()

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on."""
        old, self._settings = self._settings, settings
        for slot in self._slots:
            is_changed = any(getattr(old, name) != getattr(settings, name) for name in slot.fields)
            if is_changed and not slot.is_stopped:
                slot.turn(settings)

    def status(self) -> SinksStatus:
        """The status of every sink; cheap."""
        return SinksStatus({slot.name: slot.sink.status() for slot in self._slots})

    def find(self, kind: type[K]) -> K:
        """The sink of a class, for its methods beyond the contract.

        Raises:
            InternalError: there is none.
        """
        for slot in self._slots:
            if isinstance(slot.sink, kind):
                return slot.sink
        raise InternalError(f"there is no sink {kind.name}")

    @property
    def page_url(self) -> str:
        """The browser source's address with its token; "" while it is off."""
        return self.find(BrowserSink).page_url

    @property
    def delay_ms(self) -> float:
        """Delay in ms at which a voice matches the picture, here and in OBS; NaN while it is not known."""
        return self.find(VoiceSink).delay_ns() / NS_PER_MS

    @property
    def is_recording(self) -> bool:
        """Whether a recording runs."""
        return self.find(RecordSink).status().is_active

    def start_recording(self) -> None:
        """See `RecordSink.start_recording`."""
        self._started_recorder().start_recording()

    def stop_recording(self) -> None:
        """See `RecordSink.stop_recording`."""
        self.find(RecordSink).stop_recording()

    def take_snapshot(self) -> None:
        """See `RecordSink.take_snapshot`."""
        self._started_recorder().take_snapshot()

    def _started_recorder(self) -> RecordSink:
        """The recorder, after its slot has started it."""
        for slot in self._slots:
            if isinstance(slot.sink, RecordSink):
                slot.wait_until_idle()
        return self.find(RecordSink)
