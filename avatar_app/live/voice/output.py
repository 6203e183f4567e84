"""Plays the delayed voice on an output of the machine; reconnects when the output was disconnected."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.pulse_devices import is_server_label, monitor_of
from avatar_app.live.audio.retry import RetryTimer
from avatar_app.live.audio.sound_device import OUTPUT, SoundDevice
from avatar_app.live.audio.sound_system import SOUND_SYSTEM, OpenStream, SoundSystem
from avatar_app.live.runtime.device_loop import Hold
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.voice.delay_line import DelayLine
from avatar_app.live.voice.player import Player, Stamp
from avatar_app.live.voice.sink_watch import SinkWatch
from avatar_app.live.voice.skew import MAX_BEHIND_MS, Skew
from avatar_app.live.voice.stream import open_output
from avatar_app.live.voice.voice import VoiceState, VoiceStatus

log = logging.getLogger(__name__)

# PulseAudio through ALSA pauses for one and a half seconds after the first buffers.
STALL_NS = s_to_ns(3)
# Two seconds of blocks and of stamps: a late worker loses nothing.
N_BLOCKS = 200
N_STAMPS = 200
WAIT_S = 0.01
CHECK_NS = s_to_ns(1)
# More underruns a second than this mean that the buffer is too small.
MAX_UNDERRUNS_PER_S = 5
# An output counts as slow after this many late checks in a row, one a second.
N_LATE = 10
# `stop` waits this long for a thread inside the driver; the thread ends when the driver returns.
STOP_TIMEOUT_S = 0.5
NOTICE_KEY = "voice"
SLOW_KEY = "voice-slow"


class VoiceOutput:
    """Plays the microphone's sound when its picture is shown.

    Thread: `start` and `stop` by the owner, `status` any. Its own worker processes the sound, because the
    driver's thread must not wait.

    Args:
        name: label of the output. Empty means off: the system's default is never used, because the microphone would
            record the loudspeakers.
        voice: the microphone's sound.
        delay_ns: the measured delay of the pictures behind the microphone, see `shown_delay_ns`; None, or NaN, while
            it is unknown. Called by the worker ten times a second.
        clock: the program's.
        notices: where a disconnected output is reported.
        system: the owner of PortAudio.
        mic_source: the source of the sound server that the microphone records from; "" while it is unknown.
    """

    def __init__(
        self,
        name: str,
        voice: Fan[VoiceBlock],
        delay_ns: Callable[[], float | None],
        clock: Clock,
        notices: NoticeBoard,
        system: SoundSystem = SOUND_SYSTEM,
        mic_source: Callable[[], str] = lambda: "",
    ) -> None:
        self._name = name
        self._mic_source = mic_source
        self._voice = voice
        self._delay_ns = delay_ns
        self._clock = clock
        self._notices = notices
        self._system = system
        self._ring: Ring[VoiceBlock] = Ring(N_BLOCKS)
        self._stamps: Ring[Stamp] = Ring(N_STAMPS)
        self._ended = threading.Event()
        self._hold: Hold[OpenStream] = Hold()
        self._player: Player | None = None
        self._watch: SinkWatch | None = None
        self._state = VoiceState.STOPPED
        self._latency = "low"
        self._n_underruns = 0
        self._n_restarts = 0
        self._n_driver_underruns = 0
        self._n_late = 0
        self._is_feedback = False
        self._t_played_ns = 0
        self._t_check_ns = 0
        self._retry = RetryTimer(clock)
        self._worker = Worker("voice", self._step, clock, notices)

    def start(self) -> None:
        """Open the output and start; does nothing when the voice is off.

        Raises:
            OutputError: there is no such output, or it cannot be opened.
        """
        if not self._name:
            return
        self._open_device()
        self._ring = self._voice.add(N_BLOCKS)
        self._worker.start()

    def stop(self) -> None:
        """Close the output now, or when a driver that is opening it returns; a second call does nothing."""
        self._hold.end()
        self._voice.remove(self._ring)
        if self._worker.stop(STOP_TIMEOUT_S):
            self._close_device()
        for key in (NOTICE_KEY, SLOW_KEY):
            self._notices.clear(key)

    def status(self) -> VoiceStatus:
        """The current status."""
        opened, player = self._hold.device, self._player
        is_open = opened is not None and player is not None
        return VoiceStatus(
            state=VoiceState.STOPPED if self._hold.is_over else self._state,
            device=self._name,
            rate_hz=opened.device.rate_hz if opened is not None else 0,
            n_channels=opened.n_channels if opened is not None else 0,
            delay_ms=player.delay_ms if player is not None and is_open else 0.0,
            late_ms=player.late_ms if player is not None and is_open else 0.0,
            drift_ppm=player.drift_ppm if player is not None and is_open else 0.0,
            skew=player.skew.read() if player is not None and is_open else Skew.of(()),
            n_underruns=self._n_underruns + (player.buffer.n_underruns if player is not None else 0),
            n_restarts=self._n_restarts,
            n_lost=self._ring.n_lost,
            is_feedback=self._is_feedback,
        )

    def _open_device(self) -> None:
        self._stamps.clear()
        self._ended.clear()
        opened = self._system.with_rescan(OUTPUT, self._name, self._open_once)
        if not self._hold.keep(opened):
            return
        self._name = opened.device.label
        self._watch = SinkWatch(self._name) if is_server_label(self._name) else None
        self._t_played_ns = self._t_check_ns = self._clock.now_ns()
        self._state = VoiceState.RUNNING
        log.info("voice to %s at %d Hz, %d channels", self._name, opened.device.rate_hz, opened.n_channels)

    def _open_once(self) -> OpenStream:
        return open_output(
            self._system,
            self._name,
            self._latency,
            self._clock,
            self._make_player,
            self._stamps.put,
            self._ended.set,
        )

    def _make_player(self, device: SoundDevice) -> Player:
        self._player = Player(DelayLine(device.rate_hz), device.rate_hz, self._delay_ns)
        return self._player

    def _close_device(self) -> None:
        self._hold.release()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        player, self._player = self._player, None
        if player is not None:
            self._n_underruns += player.buffer.n_underruns

    def _step(self, stop: threading.Event) -> None:
        if self._state is VoiceState.LOST:
            self._reconnect(stop)
            return
        self._play()
        opened = self._hold.device
        if opened is not None and opened.was_interrupted:
            self._reopen()
        elif self._is_gone():
            self._disconnect()
        elif self._clock.now_ns() - self._t_check_ns > CHECK_NS:
            self._check()

    def _is_gone(self) -> bool:
        is_stalled = self._clock.now_ns() - self._t_played_ns > STALL_NS
        return self._ended.is_set() or is_stalled or (self._watch is not None and self._watch.is_gone())

    def _has_feedback(self) -> bool:
        """Whether the microphone records what this output plays."""
        monitor = monitor_of(self._name)
        return monitor != "" and self._mic_source() == monitor

    def _play(self) -> None:
        """Pass waiting blocks and stamps to the player; waits at most until the next buffer is due."""
        player = self._player
        if player is None:
            return
        block = self._ring.take(timeout_s=WAIT_S)
        blocks: list[VoiceBlock] = []
        while block is not None and len(blocks) < N_BLOCKS:
            blocks.append(block)
            block = self._ring.take()
        for _ in range(len(self._stamps)):
            stamp = self._stamps.take()
            if stamp is not None:
                self._t_played_ns = self._clock.now_ns()
                self._n_driver_underruns += stamp.is_underflow
                player.note(stamp)
        if blocks:
            player.feed(blocks)
        player.fill(self._clock.now_ns())

    def _check(self) -> None:
        """Once a second: check for feedback, underruns and a slow output, and query the sinks."""
        player = self._player
        if player is None:
            return
        self._t_check_ns = self._clock.now_ns()
        if self._has_feedback():
            self._stop_feedback()
            return
        n_underruns, self._n_driver_underruns = self._n_driver_underruns, 0
        if self._watch is not None:
            self._watch.start_query()
        if n_underruns > MAX_UNDERRUNS_PER_S and self._latency == "low":
            log.info("output %s has underruns with a small buffer", self._name)
            self._latency = "high"
            self._reopen()
        else:
            self._check_lateness(player)

    def _check_lateness(self, player: Player) -> None:
        """Report a slow output, but not the first seconds after a microphone was opened, which are always late."""
        self._n_late = self._n_late + 1 if player.late_ms > MAX_BEHIND_MS else 0
        if self._n_late >= N_LATE:
            text = f"The output {self._name} is slow: your voice plays {player.late_ms:.0f} ms after the picture."
            what_to_do = "Choose a wired output or a virtual cable, or a longer look-ahead."
            self._notices.warning(SLOW_KEY, text, what_to_do, is_lasting=True)
        elif player.late_ms < MAX_BEHIND_MS / 2:
            self._notices.clear(SLOW_KEY)

    def _reopen(self) -> None:
        self._close_device()
        self._n_restarts += 1
        try:
            self._open_device()
        except OutputError as error:
            log.info("output %s did not open again: %s", self._name, error)
            self._disconnect()

    def _disconnect(self) -> None:
        """Close the output, report it, and retry from now on."""
        text = f"The sound output {self._name} is disconnected, so your voice is not played."
        what_to_do = "Plug it in again: the app retries every 3 seconds. Or choose another one."
        self._pause(Notice(NOTICE_KEY, Level.WARNING, text, what_to_do, is_lasting=True))

    def _stop_feedback(self) -> None:
        """Close the output while the microphone records from it."""
        text = f"The microphone records what {self._name} plays. To avoid feedback, your voice is not played."
        what_to_do = "Choose another microphone, or another output for your voice."
        self._is_feedback = True
        self._pause(Notice(NOTICE_KEY, Level.ERROR, text, what_to_do, is_lasting=True))

    def _pause(self, notice: Notice) -> None:
        """Close the output until `_reconnect` opens it again."""
        self._close_device()
        if self._hold.is_over:
            return
        self._state = VoiceState.LOST
        self._retry.restart()
        self._notices.post(notice)
        log.warning("%s", notice.text)

    def _reconnect(self, stop: threading.Event) -> None:
        self._ring.clear()
        if not self._retry.is_due():
            stop.wait(0.1)
            return
        self._retry.restart()
        if self._has_feedback():
            return
        try:
            # The server's sinks are always listed as they are now; PortAudio must list its devices again.
            if not is_server_label(self._name):
                self._system.refresh(OUTPUT)
            self._open_device()
        except OutputError as error:
            log.info("still no output: %s", error)
            return
        if self._hold.is_over:
            return
        self._n_restarts += 1
        had_feedback, self._is_feedback = self._is_feedback, False
        text = "Your voice is played on {} again." if had_feedback else "The sound output {} is connected again."
        self._notices.info(NOTICE_KEY, text.format(self._name))
