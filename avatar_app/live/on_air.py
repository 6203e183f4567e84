"""What leaves the program: the virtual camera, the browser source, the synced voice, recordings and snapshots.

Each is switched by its settings and lives for itself: one that fails is told in a notice, and the rest goes on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError, UserError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.handoff import Fan, Latest, Ring
from avatar_app.contracts.input_file import reason
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import NS_PER_MS
from avatar_app.live import record
from avatar_app.live.browser import Action, BrowserSource, BrowserStatus, State
from avatar_app.live.camera import CameraStatus, VirtualCamera, layout_of
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordOptions, RecordStatus
from avatar_app.live.snapshots import Order, Snapshots
from avatar_app.live.voice import NO_VOICE, VoiceOutput, VoiceStatus, shown_delay_ns
from avatar_app.live.worker import Worker
from avatar_app.settings.paths import user_path
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

CAMERA_FIELDS = ("is_camera_on", "camera_size", "camera_device", "background", "background_colour")
BROWSER_FIELDS = ("is_browser_on", "browser_port")
VOICE_FIELDS = ("voice_output",)


class Source(Protocol):
    """The live path as what is on air sees it."""

    @property
    def voice(self) -> Fan[VoiceBlock]: ...  # noqa: D102
    def add_sink(self, name: str) -> Latest[Picture]: ...  # noqa: D102
    def remove_sink(self, sink: Latest[Picture]) -> None: ...  # noqa: D102
    def shown_ms(self) -> tuple[float, float]: ...  # noqa: D102
    def heard_from(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class OnAirStatus:
    """One look at everything that leaves the program; None for what is off."""

    camera: CameraStatus | None
    browser: BrowserStatus | None
    voice: VoiceStatus
    record: RecordStatus


class OnAir:
    """Starts and stops what leaves the program.

    Thread: all calls by one owner (the main thread); devices are opened on a thread of its own, for that takes
    seconds.

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
        self._token, self._control, self._state = token, control, state
        self._wanted = settings
        self._camera: VirtualCamera | None = None
        self._browser: BrowserSource | None = None
        self._voice: VoiceOutput | None = None
        self._sinks: dict[str, Latest[Picture]] = {}
        self._recorder = Recorder(clock, notices)
        self._voice_ring: Ring[VoiceBlock] | None = None
        self._snapshots = Snapshots(source.add_sink, source.remove_sink, clock, notices)
        self._jobs: Ring[Callable[[], None]] = Ring(64)
        self._worker: Worker | None = None

    def start(self) -> None:
        """Go on air with what is switched on; a second call is fine."""
        if self._worker is not None:
            return
        self._worker = Worker("on-air", self._run_job, self._clock, self._notices)
        self._worker.start()
        self._snapshots.start()
        for job in (self._mend, self._turn_voice, self._turn_camera, self._turn_browser):
            self._jobs.put(job)

    def stop(self) -> None:
        """End everything, recordings with their last word; twice is fine.

        The browser source shows nothing from now on, but is there: who stopped by its control API can start again.
        """
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self._jobs.clear()
        worker.stop()
        self._snapshots.stop()
        self.stop_recording()
        self._recorder.stop()
        self._free_recorder()
        self._stop_camera()
        if self._browser is not None:
            self._browser.show(is_on=False)
        self._stop_voice()

    def close(self) -> None:
        """Stop, and end the browser source too; twice is fine."""
        self.stop()
        self._stop_browser()

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on."""
        old, self._wanted = self._wanted, settings
        if self._worker is None:
            if self._browser is not None:
                # All that is there while stopped; it ends within a second.
                self._turn_browser()
            return
        for fields, job in (
            (VOICE_FIELDS, self._turn_voice),
            (CAMERA_FIELDS, self._turn_camera),
            (BROWSER_FIELDS, self._turn_browser),
        ):
            if any(getattr(old, name) != getattr(settings, name) for name in fields):
                self._jobs.put(job)

    def status(self) -> OnAirStatus:
        """How it goes; cheap."""
        camera, browser, voice, recording = self._camera, self._browser, self._voice, self._recorder.status()
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
        browser = self._browser
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
        if self._worker is None:
            raise OutputError("Nothing runs that could be recorded.", "Press Start first.")
        wanted = self._wanted
        options = RecordOptions(
            folder=recording_folder(wanted),
            fps=wanted.fps,
            format=record.RecordFormat(wanted.record_format),
            background_colour=wanted.background_colour,
            has_badge=wanted.has_badge,
            title="Avatar",
        )
        self._free_recorder()
        pictures, self._voice_ring = self._add_sink("record"), self._source.voice.add(VOICE_BLOCKS)
        try:
            self._recorder.start(options, pictures, self._voice_ring)
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
        self._snapshots.ask(Order(lambda: recording_folder(wanted), has_badge=wanted.has_badge))

    def _run_job(self, stop: threading.Event) -> None:
        del stop
        job = self._jobs.take(timeout_s=0.1)
        if job is not None:
            job()

    def _turn_camera(self) -> None:
        self._stop_camera()
        wanted = self._wanted
        if not wanted.is_camera_on:
            return
        colour = wanted.background_colour if wanted.background == "colour" else ""
        keeps_alpha = wanted.background == "checker"
        layout = layout_of(wanted.camera_size, colour=colour, keeps_alpha=keeps_alpha)
        pictures = self._add_sink("camera")
        camera = VirtualCamera(pictures, layout, self._clock, self._notices, wanted.camera_device)
        if self._started("camera", camera.start):
            self._camera = camera

    def _turn_browser(self) -> None:
        wanted, running = self._wanted, self._browser
        if running is not None and wanted.is_browser_on and running.status().port == wanted.browser_port:
            # It had moved there, and the settings say so now; or it was there while the rest was stopped.
            running.show(is_on=self._worker is not None)
            return
        self._stop_browser()
        if not wanted.is_browser_on:
            return
        pictures = self._add_sink("browser")
        browser = BrowserSource(
            pictures, self._token, wanted.browser_port, self._clock, self._notices, self._control, self._state
        )
        if self._started("browser", browser.start):
            self._browser = browser

    def _turn_voice(self) -> None:
        self._stop_voice()
        name = self._wanted.voice_output
        if not name:
            return
        voice = VoiceOutput(
            name,
            self._source.voice,
            self._delay_ns,
            self._clock,
            self._notices,
            heard_from=self._source.heard_from,
        )
        if self._started("voice", voice.start):
            self._voice = voice

    def _delay_ns(self) -> float:
        return shown_delay_ns(*self._source.shown_ms(), fps=self._wanted.fps)

    def _started(self, name: str, start: Callable[[], None]) -> bool:
        """Start a part; a failure becomes a notice."""
        try:
            start()
        except UserError as error:
            self._notices.post(Notice.from_error(name, error))
            self._remove_sink(name)
            return False
        return True

    def _stop_camera(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.stop()
        self._remove_sink("camera")

    def _stop_browser(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.stop()
        self._remove_sink("browser")

    def _stop_voice(self) -> None:
        voice, self._voice = self._voice, None
        if voice is not None:
            voice.stop()

    def _free_recorder(self) -> None:
        """Give back what the last recording listened and looked at."""
        self._remove_sink("record")
        ring, self._voice_ring = self._voice_ring, None
        if ring is not None:
            self._source.voice.remove(ring)

    def _add_sink(self, name: str) -> Latest[Picture]:
        self._remove_sink(name)
        self._sinks[name] = self._source.add_sink(name)
        return self._sinks[name]

    def _remove_sink(self, name: str) -> None:
        sink = self._sinks.pop(name, None)
        if sink is not None:
            self._source.remove_sink(sink)

    def _mend(self) -> None:
        """Make whole what a crash or a power cut left behind."""
        folder = _folder(self._wanted)
        for path in record.unfinished(folder) if os.path.isdir(folder) else ():
            self._mend_one(path)

    def _mend_one(self, path: Path) -> None:
        """What cannot be mended stays as it is."""
        try:
            mended = record.repair(path)
        except UserError as error:
            self._notices.post(Notice.from_error("mend", error))
            return
        text = f"A recording that was cut off is whole again: {mended.name}."
        self._notices.post(Notice("mend", Level.INFO, text, f"It is in {mended.parent}."))


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
    return user_path(settings.record_folder) if settings.record_folder else record.videos_folder()
