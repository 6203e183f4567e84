"""What leaves the program: the virtual camera, the browser source, the synced voice, recordings and snapshots.

Each is switched by its settings and lives for itself: one that fails is told in a notice, and the rest goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError, UserError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.input_file import reason
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import NS_PER_MS
from avatar_app.live import record
from avatar_app.live.browser import Action, BrowserStatus, State
from avatar_app.live.camera import CameraStatus
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordOptions, RecordStatus, Recovery
from avatar_app.live.record.snapshots import Snapshots
from avatar_app.live.sink_slots import BrowserSlot, CameraSlot, SinkSlot, Source, VoiceSlot
from avatar_app.live.voice import NO_VOICE, VoiceStatus, shown_delay_ns
from avatar_app.settings.paths import user_path
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

# `close` waits so long for each device that is being opened.
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class OnAirStatus:
    """One look at everything that leaves the program; None for what is off."""

    camera: CameraStatus | None
    browser: BrowserStatus | None
    voice: VoiceStatus
    record: RecordStatus


class OnAir:
    """Starts and stops what leaves the program.

    Thread: all calls by one owner (the main thread); each device is opened by a slot, on a thread of its own.

    Args:
        source: the live path.
        settings: what holds now.
        token: what a viewer of the browser source must know.
        clock: the program's.
        notices: where a failure is told.
        control: what clients of the control API may ask for.
        state: what they are told.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        token: str,
        clock: Clock,
        notices: NoticeBoard,
        control: Mapping[str, Action],
        state: Callable[[], State],
    ) -> None:
        self._source, self._clock, self._notices = source, clock, notices
        self._wanted = settings
        self._camera = CameraSlot(settings, notices, source, clock)
        self._browser = BrowserSlot(settings, notices, source, clock, token, control, state)
        self._voice = VoiceSlot(settings, notices, source, clock, self._delay_ns)
        self._recorded: Latest[Picture] | None = None
        self._recorder = Recorder(clock, notices)
        self._recovery: Recovery | None = None
        self._voice_ring: Ring[VoiceBlock] | None = None
        self._snapshots = Snapshots(source.add_sink, source.remove_sink, clock, notices)
        self._is_running = False

    def start(self) -> None:
        """Go on air with what is switched on; a second call is fine."""
        if self._is_running:
            return
        self._is_running = True
        if self._recovery is None:
            # A recording goes on in the second where the first one went away.
            folders = _folder(self._wanted), record.videos_folder()
            self._recovery = Recovery(folders, self._clock, self._notices)
            self._recovery.start()
        self._snapshots.start()
        self._browser.show(is_on=True)
        for slot in self._slots:
            if slot.is_stopped:
                slot.start()
            slot.turn(self._wanted)

    def stop(self) -> None:
        """End everything; a recording is closed meanwhile, with what was spoken until now. Twice is fine.

        The browser source shows nothing from now on, but is there: who stopped by its control API can start again.
        """
        if not self._is_running:
            return
        self._is_running = False
        # First: what it takes to end the rest is not in the film.
        self.stop_recording()
        for slot in (self._voice, self._camera):
            slot.stop()
            slot.cut()
        self._browser.show(is_on=False)
        self._snapshots.stop()

    def close(self) -> None:
        """Stop, end the browser source too, and wait for what is being opened or saved, so that the process can end."""
        self.stop()
        self._browser.stop()
        self._browser.cut()
        self._recorder.stop()
        self._free_recorder()
        if self._recovery is not None:
            self._recovery.stop()
        for slot in self._slots:
            slot.join(CLOSE_TIMEOUT_S)

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on."""
        old, self._wanted = self._wanted, settings
        for slot in self._slots:
            is_changed = any(getattr(old, name) != getattr(settings, name) for name in slot.fields)
            if is_changed and not slot.is_stopped:
                slot.turn(settings)

    def status(self) -> OnAirStatus:
        """How it goes; cheap."""
        camera, browser, voice = self._camera.part, self._browser.part, self._voice.part
        recording = self._recorder.status()
        if not recording.is_active:
            # It may have ended by itself.
            self._free_recorder()
        return OnAirStatus(
            camera=camera.status() if camera is not None else None,
            browser=browser.status() if browser is not None else None,
            voice=voice.status() if voice is not None else NO_VOICE,
            record=recording,
        )

    @property
    def page_url(self) -> str:
        """The browser source's address with its token; empty while it is off."""
        browser = self._browser.part
        return browser.page_url if browser is not None else ""

    @property
    def delay_ms(self) -> float:
        """How late a voice must be to meet its picture now; NaN while that is not known.

        The same for all who delay it: the voice in sync, and OBS.
        """
        return self._delay_ns() / NS_PER_MS

    @property
    def is_recording(self) -> bool:
        """Whether something is being recorded."""
        return self._recorder.status().is_active

    def start_recording(self) -> None:
        """Begin a recording; a second call while one runs is fine.

        Raises:
            OutputError: the folder cannot be used, or nothing runs that could be recorded.
        """
        if self.is_recording:
            return
        if not self._is_running:
            raise OutputError("Nothing runs that could be recorded.", "Press Start first.")
        wanted = self._wanted
        options = RecordOptions(
            folder=recording_folder(wanted),
            fps=wanted.fps,
            format=record.RecordFormat(wanted.record_format),
            background_colour=wanted.background_colour,
            title="Avatar",
        )
        self._free_recorder()
        self._recorded, self._voice_ring = self._source.add_sink("record"), self._source.voice.add(VOICE_BLOCKS)
        try:
            self._recorder.start(options, self._recorded, self._voice_ring)
        except UserError:
            self._free_recorder()
            raise

    def stop_recording(self) -> None:
        """Ask the recording to end; what is spoken until now is in it."""
        self._recorder.finish()

    def take_snapshot(self) -> None:
        """Have the next picture written as PNG; a notice says where it is, or why there is none.

        Raises:
            OutputError: nothing runs.
        """
        wanted = self._wanted
        self._snapshots.ask(lambda: recording_folder(wanted))

    @property
    def _slots(self) -> tuple[SinkSlot[Any], ...]:
        return self._voice, self._camera, self._browser

    def _delay_ns(self) -> float:
        return shown_delay_ns(*self._source.shown_ms(), fps=self._wanted.fps)

    def _free_recorder(self) -> None:
        """Give back what the last recording listened and looked at."""
        pictures, self._recorded = self._recorded, None
        if pictures is not None:
            self._source.remove_sink(pictures)
        ring, self._voice_ring = self._voice_ring, None
        if ring is not None:
            self._source.voice.remove(ring)


def recording_folder(settings: Settings) -> Path:
    """Where recordings and snapshots go; made when missing.

    Raises:
        OutputError: it cannot be made.
    """
    folder = _folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        text = f"The folder {shown(str(folder))} cannot be made: {reason(error)}."
        raise OutputError(text, "Choose another folder.") from error
    return folder


def _folder(settings: Settings) -> Path:
    return user_path(settings.record_folder).absolute() if settings.record_folder else record.videos_folder()
