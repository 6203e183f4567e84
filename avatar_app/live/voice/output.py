"""The voice on an output of the machine: stays with its device, and finds it again when it was gone."""

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
from avatar_app.live.audio.pulse import LABEL_END
from avatar_app.live.audio.sound_system import OUTPUT, SOUND_SYSTEM, OpenStream, SoundDevice, SoundSystem
from avatar_app.live.runtime.device_loop import Hold
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.voice.delay_line import DelayLine
from avatar_app.live.voice.player import Player, Stamp
from avatar_app.live.voice.pulse_sinks import SinkWatch, list_sinks, monitor_of
from avatar_app.live.voice.skew import MAX_BEHIND_MS, Skew
from avatar_app.live.voice.stream import open_output
from avatar_app.live.voice.voice import VoiceState, VoiceStatus

log = logging.getLogger(__name__)

# PulseAudio through ALSA rests for one and a half seconds after the first pieces.
STALL_NS = s_to_ns(3)
RETRY_NS = s_to_ns(3)
# Two seconds of blocks and of stamps: a worker that is late loses nothing.
N_BLOCKS = 200
N_STAMPS = 200
WAIT_S = 0.01
CHECK_NS = s_to_ns(1)
# An output that runs dry so often in a second has too small a buffer.
MAX_DRY_PER_S = 5
# An output that is late in so many looks in a row, one a second, is slow.
N_LATE = 10
# Closing never waits longer for a thread that is inside the driver; it ends by itself when the driver comes back.
STOP_TIMEOUT_S = 0.5
NOTICE_KEY = "voice"
SLOW_KEY = "voice-slow"


def list_outputs(system: SoundSystem = SOUND_SYSTEM) -> tuple[SoundDevice, ...]:
    """All sound outputs of this machine, chosen by their `label`.

    Raises:
        OutputError: the sound system does not answer.
    """
    return (*system.devices(OUTPUT), *list_sinks(system))


class VoiceOutput:
    """Plays the microphone's sound when its picture is shown.

    Thread: `start` and `stop` by the owner, `status` any; sound is worked on by a thread of its own, because the
    driver's must not wait.

    Args:
        name: label of the output. Empty means off: the system's loudspeakers, which the microphone would hear, are
            never taken by themselves.
        voice: the microphone's sound.
        delay_ns: the measured delay of the pictures behind the microphone, see `shown_delay_ns`; None, or NaN, while
            it is not known. Called by the voice's thread ten times a second.
        clock: the program's.
        notices: where a lost output is told.
        system: the owner of PortAudio.
        heard_from: the source of the sound server that the microphone listens to; "" while it is not known.
    """

    def __init__(
        self,
        name: str,
        voice: Fan[VoiceBlock],
        delay_ns: Callable[[], float | None],
        clock: Clock,
        notices: NoticeBoard,
        system: SoundSystem = SOUND_SYSTEM,
        heard_from: Callable[[], str] = lambda: "",
    ) -> None:
        self._name = name
        self._heard_from = heard_from
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
        self._n_dry = 0
        self._n_late = 0
        self._is_heard = False
        self._t_played_ns = 0
        self._t_retry_ns = 0
        self._t_check_ns = 0
        self._worker = Worker("voice", self._step, clock, notices)

    def start(self) -> None:
        """Open the output and begin; nothing happens when the voice is off.

        Raises:
            OutputError: there is no such output, or it cannot be opened.
        """
        if not self._name:
            return
        self._open_device()
        self._ring = self._voice.add(N_BLOCKS)
        self._worker.start()

    def stop(self) -> None:
        """Close the output at once; twice is fine. One that is being opened is closed when the driver comes back."""
        self._hold.end()
        self._voice.remove(self._ring)
        if self._worker.stop(STOP_TIMEOUT_S):
            self._close_device()
        for key in (NOTICE_KEY, SLOW_KEY):
            self._notices.clear(key)

    def status(self) -> VoiceStatus:
        """How it goes."""
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
            is_heard_by_mic=self._is_heard,
        )

    def _open_device(self) -> None:
        self._stamps.clear()
        self._ended.clear()
        opened = self._find_and_open()
        if not self._hold.keep(opened):
            return
        self._name = opened.device.label
        self._watch = SinkWatch(self._name) if self._name.endswith(LABEL_END) else None
        self._t_played_ns = self._t_check_ns = self._clock.now_ns()
        self._state = VoiceState.RUNNING
        log.info("voice to %s at %d Hz, %d channels", self._name, opened.device.rate_hz, opened.n_channels)

    def _find_and_open(self) -> OpenStream:
        """Open the output; one that was plugged in since PortAudio started is found at the second look."""
        try:
            return self._open_once()
        except OutputError:
            if not self._system.make_known(OUTPUT, self._name):
                raise
            return self._open_once()

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
            self._look_again(stop)
            return
        self._play()
        opened = self._hold.device
        if opened is not None and opened.was_interrupted:
            self._open_anew()
        elif self._is_gone():
            self._lose()
        elif self._clock.now_ns() - self._t_check_ns > CHECK_NS:
            self._check()

    def _is_gone(self) -> bool:
        is_silent = self._clock.now_ns() - self._t_played_ns > STALL_NS
        return self._ended.is_set() or is_silent or (self._watch is not None and self._watch.is_gone())

    def _hears_itself(self) -> bool:
        """Whether the microphone listens to this very output: then every word comes back again and again."""
        monitor = monitor_of(self._name)
        return monitor != "" and self._heard_from() == monitor

    def _play(self) -> None:
        """Hand on what waits, at most until the next piece is due."""
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
                self._n_dry += stamp.is_underflow
                player.note(stamp)
        if blocks:
            player.hear(blocks)
        player.fill(self._clock.now_ns())

    def _check(self) -> None:
        """Once a second: a buffer that is too small, devices that are too slow, a voice that hears itself."""
        player = self._player
        if player is None:
            return
        self._t_check_ns = self._clock.now_ns()
        if self._hears_itself():
            self._fall_silent()
            return
        n_dry, self._n_dry = self._n_dry, 0
        if self._watch is not None:
            self._watch.ask()
        if n_dry > MAX_DRY_PER_S and self._latency == "low":
            log.info("output %s runs dry with a small buffer", self._name)
            self._latency = "high"
            self._open_anew()
        else:
            self._judge_lateness(player)

    def _judge_lateness(self, player: Player) -> None:
        """A microphone that was just opened gives old sound for some seconds: only what stays late is slow."""
        self._n_late = self._n_late + 1 if player.late_ms > MAX_BEHIND_MS else 0
        if self._n_late >= N_LATE:
            text = f"The output {self._name} is slow: your voice comes {player.late_ms:.0f} ms after the picture."
            what_to_do = "Choose a wired output or a virtual cable, or a longer look-ahead."
            self._notices.post(Notice(SLOW_KEY, Level.WARNING, text, what_to_do, is_lasting=True))
        elif player.late_ms < MAX_BEHIND_MS / 2:
            self._notices.clear(SLOW_KEY)

    def _open_anew(self) -> None:
        self._close_device()
        self._n_restarts += 1
        try:
            self._open_device()
        except OutputError as error:
            log.info("output %s did not open again: %s", self._name, error)
            self._lose()

    def _lose(self) -> None:
        text = f"The sound output {self._name} is gone, so your voice is not heard there."
        what_to_do = "Plug it in again: the app looks for it every 3 seconds. Or choose another one."
        self._rest(Notice(NOTICE_KEY, Level.WARNING, text, what_to_do, is_lasting=True))

    def _fall_silent(self) -> None:
        text = f"The microphone listens to {self._name}. Your voice would howl there, so it is not played."
        what_to_do = "Choose another microphone, or another output for your voice."
        self._is_heard = True
        self._rest(Notice(NOTICE_KEY, Level.ERROR, text, what_to_do, is_lasting=True))

    def _rest(self, notice: Notice) -> None:
        """Play nothing until `_look_again` finds that it can be."""
        self._close_device()
        if self._hold.is_over:
            return
        self._state = VoiceState.LOST
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        self._notices.post(notice)
        log.warning("%s", notice.text)

    def _look_again(self, stop: threading.Event) -> None:
        self._ring.clear()
        if self._clock.now_ns() < self._t_retry_ns:
            stop.wait(0.1)
            return
        self._t_retry_ns = self._clock.now_ns() + RETRY_NS
        if self._hears_itself():
            return
        try:
            # The sound server tells its sinks anew each time; only PortAudio must be asked to look.
            if not self._name.endswith(LABEL_END):
                self._system.refresh(OUTPUT)
            self._open_device()
        except OutputError as error:
            log.info("still no output: %s", error)
            return
        if self._hold.is_over:
            return
        self._n_restarts += 1
        was_heard, self._is_heard = self._is_heard, False
        said = "Your voice is played to {} again." if was_heard else "The sound output {} is back."
        self._notices.post(Notice(NOTICE_KEY, Level.INFO, said.format(self._name)))
