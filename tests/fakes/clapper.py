"""A clapperboard that measures the skew: the microphone captures a clap, and a white picture shows it.

It needs an output whose sound can be recorded, such as a null sink with its monitor.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Latest, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Float32, Picture, UInt8, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.voice.delay import shown_delay_ns
from avatar_app.live.voice.skew import Skew

CLAP_S = 0.005
CLAP_HZ = 2000
LOUD = 0.2
WHITE = 200
QUIET_S = 0.3
# A clap belongs to the picture that is nearer than this.
PAIR_NS = ms_to_ns(450)
N_KEPT = 100_000
BLOCK_S = 0.01


class ClapMic:
    """A microphone that captures a clap at regular intervals. Thread: its own.

    Args:
        voice: receives the sound in blocks of 10 ms.
        clock: the program's.
        notices: where a failure is reported.
        every_s: interval; no multiple of a picture's period, so that claps have every phase to the pictures.
        rate_hz: of the sound.
    """

    def __init__(
        self, voice: Fan[VoiceBlock], clock: Clock, notices: NoticeBoard, every_s: float = 1.013, rate_hz: int = 48_000
    ) -> None:
        self._voice = voice
        self._clock = clock
        self._rate_hz = rate_hz
        self._every = round(every_s * rate_hz)
        self._n_sent = 0
        self._t_start_ns = 0
        self._worker = Worker("clap-mic", self._step, clock, notices)

    def start(self) -> None:
        """Start; the first clap comes after one interval."""
        self._t_start_ns = self._clock.now_ns()
        self._worker.start()

    def stop(self) -> None:
        """Stop; twice is fine."""
        self._worker.stop()

    def is_clap_between(self, t_from_ns: int, t_to_ns: int) -> bool:
        """Whether a clap begins in an interval."""
        first, end = (self._sample(t_ns) // self._every for t_ns in (t_from_ns, t_to_ns))
        return end > first and end > 0

    def _sample(self, t_ns: int) -> int:
        return (t_ns - self._t_start_ns) * self._rate_hz // NS_PER_S

    def _step(self, stop: threading.Event) -> None:
        n = round(BLOCK_S * self._rate_hz)
        t_block_ns = self._t_start_ns + self._n_sent * NS_PER_S // self._rate_hz
        if not self._clock.sleep_until(t_block_ns + round(BLOCK_S * NS_PER_S), stop):
            return
        sound = self._sound(np.arange(self._n_sent, self._n_sent + n))
        sound.flags.writeable = False
        self._voice.put(VoiceBlock(t_block_ns, self._rate_hz, sound, did_restart=self._n_sent == 0))
        self._n_sent += n

    def _sound(self, indices: np.ndarray) -> Float32:
        since_s = (indices % self._every) / self._rate_hz
        is_clap = (since_s < CLAP_S) & (indices >= self._every)
        return np.where(is_clap, 0.8 * np.cos(2 * np.pi * CLAP_HZ * since_s), 0).astype(np.float32)


class ClapPictures:
    """Pictures that are white for a clap, with the delay of the avatar. Thread: its own.

    Args:
        mic: captures the claps.
        clock: the program's.
        notices: where a failure is reported.
        delay_ms: from a sound to the picture that shows it.
        fps: pictures per second.
    """

    def __init__(self, mic: ClapMic, clock: Clock, notices: NoticeBoard, delay_ms: float, fps: int = 25) -> None:
        self._mic = mic
        self._clock = clock
        self._delay_ns = ms_to_ns(delay_ms)
        self._fps = fps
        self._index = 0
        self._t_start_ns = 0
        self._t_shown_until_ns = 0
        self._white: UInt8 = np.full((8, 8, 4), 255, np.uint8)
        self._black: UInt8 = np.zeros((8, 8, 4), np.uint8)
        self.sink: Latest[Picture] = Latest()
        self.detector = WhiteDetector()
        self._latencies_ms: deque[float] = deque(maxlen=512)
        self._worker = Worker("clap-pictures", self._step, clock, notices)

    def start(self) -> None:
        """Start."""
        self._t_start_ns = self._clock.now_ns()
        self._t_shown_until_ns = self._t_start_ns - self._delay_ns
        self._worker.start()

    def stop(self) -> None:
        """Stop; twice is fine."""
        self._worker.stop()

    def delay_ns(self) -> float | None:
        """The measured delay, as the pipeline passes it to the voice."""
        latencies_ms = list(self._latencies_ms)
        return shown_delay_ns(float(np.median(latencies_ms)), 0.0, self._fps) if latencies_ms else None

    def _step(self, stop: threading.Event) -> None:
        self._index += 1
        t_tick_ns = self._t_start_ns + self._index * NS_PER_S // self._fps
        if not self._clock.sleep_until(t_tick_ns, stop):
            return
        t_capture_ns = t_tick_ns - self._delay_ns
        is_clap = self._mic.is_clap_between(self._t_shown_until_ns, t_capture_ns)
        self._t_shown_until_ns = t_capture_ns
        t_now_ns = self._clock.now_ns()
        picture = Picture(t_capture_ns, t_now_ns, self._index, self._white if is_clap else self._black)
        self.sink.put(picture)
        self.detector.note(picture, t_now_ns)
        self._latencies_ms.append(ns_to_ms(t_now_ns - t_capture_ns))


class WhiteDetector:
    """Records when pictures turn white. Thread: one."""

    def __init__(self) -> None:
        self._was_white = False
        self.shown_ns: deque[int] = deque(maxlen=N_KEPT)

    def note(self, picture: Picture, t_shown_ns: int) -> None:
        """Take a shown picture."""
        is_white = float(picture.pixels[:, :, :3].mean()) > WHITE
        if is_white and not self._was_white:
            self.shown_ns.append(t_shown_ns)
        self._was_white = is_white


class ClapDetector:
    """Records when claps are played. Thread: one."""

    def __init__(self) -> None:
        self._t_loud_ns: int | None = None
        self.played_ns: deque[int] = deque(maxlen=N_KEPT)

    def drain(self, ring: Ring[VoiceBlock]) -> None:
        """Take the blocks of a microphone that records the output."""
        while (block := ring.take()) is not None:
            self.note(block)

    def note(self, block: VoiceBlock) -> None:
        """Take a block."""
        for index in np.flatnonzero(np.abs(block.samples) > LOUD):
            t_ns = block.t_capture_ns + int(index) * NS_PER_S // block.rate_hz
            if self._t_loud_ns is None or t_ns - self._t_loud_ns > QUIET_S * NS_PER_S:
                self.played_ns.append(t_ns)
            self._t_loud_ns = t_ns


def clap_skew(shown_ns: Sequence[int], played_ns: Sequence[int]) -> Skew:
    """The skew of each clap that was both shown and played; positive when its sound came first.

    Args:
        shown_ns: instants of white pictures, ascending.
        played_ns: instants of claps in the played sound, ascending.
    """
    if not len(shown_ns):
        return Skew.of(())
    shown = np.asarray(shown_ns, dtype=np.int64)
    skews_ns = [int(shown[np.argmin(np.abs(shown - t_ns))]) - t_ns for t_ns in played_ns]
    return Skew.of([ns_to_ms(skew_ns) for skew_ns in skews_ns if abs(skew_ns) < PAIR_NS])
