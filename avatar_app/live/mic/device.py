"""A microphone of the machine: keeps its device, and reconnects when it was disconnected."""

from __future__ import annotations

import logging
import threading

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.audio.retry import RetryTimer
from avatar_app.live.audio.sound_system import OpenStream
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import Level, MicControls
from avatar_app.live.mic.mic import SILENT_DB, MicState, MicStatus
from avatar_app.live.mic.source_watch import Change, SourceWatch, watch_of
from avatar_app.live.mic.stream import Delivery, Microphones
from avatar_app.live.runtime.device_loop import Hold
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

STALL_NS = ms_to_ns(1500)
# PulseAudio through ALSA can deliver nothing for two seconds after opening, and then all buffered sound at once.
FIRST_STALL_NS = s_to_ns(3)
# Steps follow each other within 100 ms; a longer pause means that this program was suspended.
SUSPENDED_NS = s_to_ns(1)
# A device that delivers nothing for this long with a small buffer is opened with a larger one.
FIRST_DELIVERY_NS = ms_to_ns(600)
# Two seconds of deliveries: a late worker loses nothing.
N_DELIVERIES = 200
# `stop` waits this long for a thread inside the driver; the thread ends when the driver returns.
STOP_TIMEOUT_S = 0.5
NOTICE_KEY = "mic"


class DeviceMic:
    """A microphone that PortAudio lists.

    Thread: `start` by the owner, the rest any. Its own worker processes the sound, because the driver's thread
    must not wait.

    Args:
        name: label of the device; "" means the system's default.
        clock: the program's.
        notices: where a disconnected device is reported.
        controls: gain and mute.
        microphones: opens the device.
        cleaning: noise suppression and automatic gain.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        notices: NoticeBoard,
        controls: MicControls | None,
        microphones: Microphones,
        cleaning: Cleaning | None = None,
    ) -> None:
        self._name = self._title = name
        self._clock = clock
        self._notices = notices
        self._microphones = microphones
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
        self._t_delivery_ns = 0
        self._t_step_ns = clock.now_ns()
        self._latency = "low"
        self._has_delivered = False
        self._watch: SourceWatch | None = None
        self._retry = RetryTimer(clock)
        self._worker = Worker("mic", self._step, clock, notices)

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Open the device and begin.

        Raises:
            AudioInputError: there is no such device, or it cannot be opened.
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        self._ring, self._voice = ring, voice
        require(self._cleaning)
        self._open_device()
        if not self._hold.is_over:
            self._worker.start()

    def stop(self) -> None:
        """Close the device now, or when a driver that is opening it returns; a second call does nothing."""
        self._hold.end()
        self._worker.stop(STOP_TIMEOUT_S)
        if self._watch is not None:
            self._watch.close()

    def status(self) -> MicStatus:
        """The current status."""
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
        """Change the cleaning of the blocks from now on.

        Raises:
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        require(cleaning)
        self._cleaning = cleaning
        if self._chain is not None:
            self._chain.set_cleaning(cleaning)

    def _open_device(self) -> None:
        if self._hold.is_over:
            return
        self._deliveries.clear()
        self._ended.clear()
        opened = self._find_and_open()
        # From now on this device only, even if the default was requested: the program never switches silently.
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
        self._t_delivery_ns = self._clock.now_ns()
        self._has_delivered = False
        self._state = MicState.RUNNING
        log.info("microphone %s at %d Hz, %d channels", self._name, opened.device.rate_hz, opened.n_channels)

    def _find_and_open(self) -> OpenStream:
        """Open the device, after a rescan if PortAudio does not know it yet."""
        source = self._watch.source if self._watch is not None else ""
        wanted = (self._name, self._clock, self._deliveries.put, self._ended.set, self._latency, source)
        try:
            return self._microphones.open(*wanted)
        except AudioInputError:
            if not self._microphones.make_known(self._name) or self._hold.is_over:
                raise
            return self._microphones.open(*wanted)

    def _close_device(self) -> None:
        self._hold.release()
        if self._chain is not None:
            self._n_bad_samples += self._chain.n_bad_samples
            self._chain = None

    def _step(self, stop: threading.Event) -> None:
        if self._state is MicState.LOST:
            self._reconnect(stop)
            return
        delivery = self._deliveries.take(timeout_s=0.1)
        self._check_suspended()
        if delivery is not None:
            self._process(delivery)
        else:
            self._check_stalled()
        if self._state is MicState.RUNNING:
            self._check_source()

    def _check_suspended(self) -> None:
        """Restart the stall timer after a pause of the program itself, as when the machine was suspended."""
        now_ns = self._clock.now_ns()
        if now_ns - self._t_step_ns > SUSPENDED_NS:
            self._t_delivery_ns = now_ns
        self._t_step_ns = now_ns

    def _check_stalled(self) -> None:
        silent_ns = self._clock.now_ns() - self._t_delivery_ns
        opened = self._hold.device
        if opened is not None and opened.was_interrupted:
            self._reopen()
        elif self._ended.is_set() or silent_ns > (STALL_NS if self._has_delivered else FIRST_STALL_NS):
            self._disconnect()
        elif silent_ns > FIRST_DELIVERY_NS and not self._has_delivered and self._latency == "low":
            log.info("microphone %s delivers nothing with a small buffer", self._name)
            self._latency = "high"
            self._reopen()

    def _check_source(self) -> None:
        """Report it when the sound server moved this program to another microphone."""
        watch = self._watch
        change = watch.poll(self._clock.now_ns(), is_open=True) if watch is not None else Change.NONE
        if change is Change.GONE:
            self._disconnect()
        elif watch is not None and change is Change.MOVED:
            self._notices.info(
                NOTICE_KEY, f"The microphone is now {watch.description}.", "Another program selected it."
            )

    def _reopen(self) -> None:
        self._close_device()
        try:
            self._open_device()
        except AudioInputError as error:
            log.info("microphone %s did not open again: %s", self._name, error)
            self._disconnect()

    def _process(self, delivery: Delivery) -> None:
        self._t_delivery_ns = self._clock.now_ns()
        self._has_delivered = True
        self._n_overflows += delivery.is_overflow
        if self._chain is None or self._ring is None or self._hold.is_over:
            return
        for block in self._chain.feed(delivery.samples, delivery.t_capture_ns):
            self._ring.put(block)

    def _disconnect(self) -> None:
        """Close the device, report it, and retry from now on."""
        self._close_device()
        if self._hold.is_over:
            return
        self._state = MicState.LOST
        self._retry.restart()
        text = f"The microphone {self._shown_name} is disconnected, so the mouth stays closed."
        what_to_do = "Plug it in again: the app retries every 3 seconds. Or choose another one."
        if self._watch is not None and self._watch.source:
            what_to_do = "Plug it in again, and the app uses it again. Or press F5 to use the system's current one."
        self._notices.warning(NOTICE_KEY, text, what_to_do, is_lasting=True)
        log.warning("%s", text)

    @property
    def _shown_name(self) -> str:
        """The source of the sound server behind the device, where it is known."""
        return (self._watch.description if self._watch is not None else "") or self._title

    def _reconnect(self, stop: threading.Event) -> None:
        if not self._may_retry():
            stop.wait(0.1)
            return
        self._retry.restart()
        try:
            if self._watch is None or not self._watch.source:
                self._microphones.refresh()
            self._open_device()
        except AudioInputError as error:
            log.info("still no microphone: %s", error)
            return
        if self._hold.is_over:
            return
        self._notices.info(NOTICE_KEY, f"The microphone {self._shown_name} is connected again.")

    def _may_retry(self) -> bool:
        """Whether the source is listed again, or the retry timer has run out where there is no sound server.

        The server would open another source in place of a missing one.
        """
        if self._watch is not None and self._watch.source:
            return self._watch.poll(self._clock.now_ns(), is_open=False) is Change.BACK
        return self._retry.is_due()
