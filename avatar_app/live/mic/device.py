"""A microphone of the machine: stays with its device, and finds it again when it was gone."""

from __future__ import annotations

import logging
import threading

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import Level as NoticeLevel
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.audio.sound_system import OpenStream
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import Level, MicControls
from avatar_app.live.mic.mic import SILENT_DB, MicState, MicStatus
from avatar_app.live.mic.source_watch import Change, SourceWatch, watch_of
from avatar_app.live.mic.stream import Delivery, PortAudio
from avatar_app.live.runtime.device_loop import Hold
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

STALL_NS = ms_to_ns(1500)
# PulseAudio through ALSA can be silent for two seconds after opening, and then hands over what it gathered.
FIRST_STALL_NS = s_to_ns(3)
RETRY_NS = s_to_ns(3)
# Steps follow each other within a tenth of a second.
SLEPT_NS = s_to_ns(1)
# What stays silent for so long with a small buffer is given a larger one.
FIRST_SOUND_NS = ms_to_ns(600)
# Two seconds of deliveries: a worker that is late loses nothing.
N_DELIVERIES = 200
# Closing never waits longer for a thread that is inside the driver; it ends by itself when the driver comes back.
STOP_TIMEOUT_S = 0.5
NOTICE_KEY = "mic"


class DeviceMic:
    """A microphone that PortAudio knows.

    Thread: `start` by the owner, the rest any; sound is worked on by a thread of its own, because the driver's must not
    wait.

    Args:
        name: label of the device; "" means the system's default.
        clock: the program's.
        notices: where a lost device is told.
        controls: gain and mute.
        portaudio: where devices come from.
        cleaning: what the lips are spared.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        notices: NoticeBoard,
        controls: MicControls | None,
        portaudio: PortAudio,
        cleaning: Cleaning | None = None,
    ) -> None:
        self._name = self._title = name
        self._clock = clock
        self._notices = notices
        self._portaudio = portaudio
        self._controls = controls
        self._cleaning = cleaning or Cleaning()
        self._level = Level(1, controls)
        self._chain: SoundChain | None = None
        self._hold: Hold[OpenStream] = Hold()
        self._ring: Ring[AudioBlock] | None = None
        self._voice: Fan[VoiceBlock] | None = None
        self._deliveries: Ring[Delivery] = Ring(N_DELIVERIES)
        self._ended = threading.Event()
        self._state = MicState.STOPPED
        self._n_overflows = 0
        self._n_bad_samples = 0
        self._t_heard_ns = 0
        self._t_retry_ns = 0
        self._t_step_ns = clock.now_ns()
        self._latency = "low"
        self._has_heard = False
        self._watch: SourceWatch | None = None
        self._worker = Worker("mic", self._step, clock, notices)

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Open the device and begin.

        Raises:
            AudioInputError: it is not there, or cannot be opened.
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        self._ring, self._voice = ring, voice
        require(self._cleaning)  # what cannot be had is told before the device is opened
        self._open_device()
        if not self._hold.is_over:
            self._worker.start()

    def stop(self) -> None:
        """Close the device at once; twice is fine. One that is being opened is closed when the driver comes back."""
        self._hold.end()
        self._worker.stop(STOP_TIMEOUT_S)
        if self._watch is not None:
            self._watch.close()

    def status(self) -> MicStatus:
        """How it goes."""
        opened, level = self._hold.device, self._level
        is_running = self._state is MicState.RUNNING and opened is not None
        chain = self._chain
        return MicStatus(
            state=MicState.STOPPED if self._hold.is_over else self._state,
            device=self._shown_name,
            rate_hz=opened.device.rate_hz if opened is not None else 0,
            n_channels=opened.n_channels if opened is not None else 0,
            level_db=level.level_db if is_running else SILENT_DB,
            peak_db=level.peak_db if is_running else SILENT_DB,
            n_overflows=self._n_overflows,
            n_bad_samples=self._n_bad_samples + (chain.n_bad_samples if chain is not None else 0),
            source=self._watch.source if self._watch is not None and is_running else "",
        )

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean the sound of the blocks otherwise from now on.

        Raises:
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        require(cleaning)  # what cannot be had is told here, not by a device that comes back
        self._cleaning = cleaning
        if self._chain is not None:
            self._chain.set_cleaning(cleaning)

    def _open_device(self) -> None:
        if self._hold.is_over:
            return
        self._deliveries.clear()
        self._ended.clear()
        opened = self._find_and_open()
        # From now on this very device, even where "the default" was asked for: never another one without a word.
        self._name, self._title = opened.device.label, opened.device.title
        if self._watch is None:
            self._watch = watch_of(opened.device.name, opened.device.host_api)
        self._level = Level(opened.device.rate_hz, self._controls)
        cleaning = self._cleaning
        self._chain = SoundChain(opened.device.rate_hz, self._level, self._voice, cleaning)
        if cleaning is not self._cleaning:
            self._chain.set_cleaning(self._cleaning)
        if not self._hold.keep(opened):
            return
        self._t_heard_ns = self._clock.now_ns()
        self._has_heard = False
        self._state = MicState.RUNNING
        log.info("microphone %s at %d Hz, %d channels", self._name, opened.device.rate_hz, opened.n_channels)

    def _find_and_open(self) -> OpenStream:
        """Open the device; one that was plugged in since PortAudio started is found at the second look."""
        source = self._watch.source if self._watch is not None else ""
        wanted = (self._name, self._clock, self._deliveries.put, self._ended.set, self._latency, source)
        try:
            return self._portaudio.open(*wanted)
        except AudioInputError:
            if not self._portaudio.make_known(self._name) or self._hold.is_over:
                raise
            return self._portaudio.open(*wanted)

    def _close_device(self) -> None:
        self._hold.release()
        if self._chain is not None:
            self._n_bad_samples += self._chain.n_bad_samples
            self._chain = None

    def _step(self, stop: threading.Event) -> None:
        if self._state is MicState.LOST:
            self._look_again(stop)
            return
        delivery = self._deliveries.take(timeout_s=0.1)
        self._mind_own_sleep()
        if delivery is not None:
            self._hear(delivery)
        else:
            self._mind_silence()
        if self._state is MicState.RUNNING:
            self._mind_source()

    def _mind_own_sleep(self) -> None:
        """A program that stood still itself, as with the machine asleep, has not listened to silence meanwhile."""
        now_ns = self._clock.now_ns()
        if now_ns - self._t_step_ns > SLEPT_NS:
            self._t_heard_ns = now_ns
        self._t_step_ns = now_ns

    def _mind_silence(self) -> None:
        silent_ns = self._clock.now_ns() - self._t_heard_ns
        opened = self._hold.device
        if opened is not None and opened.was_interrupted:
            self._open_anew()
        elif self._ended.is_set() or silent_ns > (STALL_NS if self._has_heard else FIRST_STALL_NS):
            self._lose()
        elif silent_ns > FIRST_SOUND_NS and not self._has_heard and self._latency == "low":
            self._open_with_larger_buffer()

    def _mind_source(self) -> None:
        """Another microphone never takes over without a word."""
        watch = self._watch
        change = watch.look(self._clock.now_ns(), is_open=True) if watch is not None else Change.NONE
        if change is Change.GONE:
            self._lose()
        elif watch is not None and change is Change.MOVED:
            text = f"The microphone is now {watch.description}."
            self._notices.post(Notice(NOTICE_KEY, NoticeLevel.INFO, text, "Another program chose it."))

    def _open_with_larger_buffer(self) -> None:
        """The device was opened but did not speak: open it with a larger buffer."""
        log.info("microphone %s gives nothing with a small buffer", self._name)
        self._latency = "high"
        self._open_anew()

    def _open_anew(self) -> None:
        self._close_device()
        try:
            self._open_device()
        except AudioInputError as error:
            log.info("microphone %s did not open again: %s", self._name, error)
            self._lose()

    def _hear(self, delivery: Delivery) -> None:
        self._t_heard_ns = self._clock.now_ns()
        self._has_heard = True
        self._n_overflows += delivery.is_overflow
        if self._chain is None or self._ring is None or self._hold.is_over:
            return
        for block in self._chain.feed(delivery.samples, delivery.t_capture_ns):
            self._ring.put(block)

    def _lose(self) -> None:
        self._close_device()
        if self._hold.is_over:
            return
        self._state = MicState.LOST
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        text = f"The microphone {self._shown_name} is gone, so the face rests."
        what_to_do = "Plug it in again: the app looks for it every 3 seconds. Or choose another one."
        if self._watch is not None and self._watch.source:
            what_to_do = "Plug it in again, and it speaks on. Or press F5 for the one that the system offers now."
        self._notices.post(Notice(NOTICE_KEY, NoticeLevel.WARNING, text, what_to_do, is_lasting=True))
        log.warning("%s", text)

    @property
    def _shown_name(self) -> str:
        """The microphone behind the door, where it is known."""
        return (self._watch.description if self._watch is not None else "") or self._title

    def _look_again(self, stop: threading.Event) -> None:
        if not self._is_worth_a_try():
            stop.wait(0.1)
            return
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        try:
            if self._watch is None or not self._watch.source:
                self._portaudio.refresh()
            self._open_device()
        except AudioInputError as error:
            log.info("still no microphone: %s", error)
            return
        if self._hold.is_over:
            return
        self._notices.post(Notice(NOTICE_KEY, NoticeLevel.INFO, f"The microphone {self._shown_name} is back."))

    def _is_worth_a_try(self) -> bool:
        """The sound server knows at once what is back, and would give another microphone before; PortAudio must try."""
        now_ns = self._clock.now_ns()
        if self._watch is not None and self._watch.source:
            return self._watch.look(now_ns, is_open=False) is Change.BACK
        return now_ns >= self._t_retry_ns
