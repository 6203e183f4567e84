"""A file that speaks as a microphone would, in real time."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import LIVE_RATE_HZ, AudioBlock, Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.clean import Cleaner, Cleaning
from avatar_app.live.mic.level import Level
from avatar_app.live.mic.mic import BLOCK_SAMPLES, SILENT_DB, MicState, MicStatus
from avatar_app.live.worker import Worker

# After a longer sleep of the machine, sound goes on from now instead of rushing through what was missed.
MAX_LATE_NS = ms_to_ns(500)


class FileMic:
    """Plays a file into the ring on an absolute grid of 10 ms.

    Thread: `start` and `stop` by the owner, the rest any.

    Args:
        path: any file that holds sound.
        clock: the program's.
        notices: where a failure is told.
        gain_db: amplification.
        cleaning: what the lips are spared.
        is_loop: begin again at the end; otherwise silence follows.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        notices: NoticeBoard,
        gain_db: float = 0.0,
        cleaning: Cleaning | None = None,
        *,
        is_loop: bool,
    ) -> None:
        self._path = path
        self._clock = clock
        self._is_loop = is_loop
        self._level = Level(LIVE_RATE_HZ, gain_db)
        self._cleaning = cleaning or Cleaning()
        self._chain: SoundChain | None = None
        self._samples: Float32 = np.zeros(0, np.float32)
        self._ring: Ring[AudioBlock] | None = None
        self._n_sent = 0
        self._t_start_ns = 0
        self._state = MicState.STOPPED
        self._worker = Worker("mic", self._step, clock, notices)

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Read the file and begin.

        Raises:
            AudioInputError: it cannot be read, or holds no sound.
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        self._samples = read_audio(self._path)
        self._ring = ring
        self._chain = SoundChain(LIVE_RATE_HZ, self._level, voice, self._cleaning)
        self._n_sent = 0
        self._t_start_ns = self._clock.now_ns()
        self._state = MicState.RUNNING
        self._worker.start()

    def stop(self) -> None:
        """End; twice is fine."""
        self._worker.stop()
        self._state = MicState.STOPPED

    def status(self) -> MicStatus:
        """How it goes."""
        is_running = self._state is MicState.RUNNING
        return MicStatus(
            state=self._state,
            device=self._path.name,
            rate_hz=LIVE_RATE_HZ if is_running else 0,
            n_channels=1 if is_running else 0,
            level_db=self._level.level_db if is_running else SILENT_DB,
            peak_db=self._level.peak_db if is_running else SILENT_DB,
            n_overflows=0,
            n_bad_samples=0,
        )

    def set_gain_db(self, gain_db: float) -> None:
        """Amplify from now on."""
        self._level.set_gain_db(gain_db)

    def set_muted(self, is_muted: bool) -> None:
        """Give silence from now on, or no longer."""
        self._level.set_muted(is_muted)

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean the sound of the blocks otherwise from now on.

        Raises:
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        Cleaner(cleaning)  # what cannot be had is told here, not by a device that comes back
        self._cleaning = cleaning
        if self._chain is not None:
            self._chain.set_cleaning(cleaning)

    def _step(self, stop: threading.Event) -> None:
        """Send the next block at the instant at which a microphone would have heard all of it."""
        t_end_ns = self._instant_ns(self._n_sent + BLOCK_SAMPLES)
        late_ns = self._clock.now_ns() - t_end_ns
        if late_ns > MAX_LATE_NS:
            self._t_start_ns += late_ns
            if self._chain is not None:
                self._chain.skip_time()
        elif not self._clock.sleep_until(t_end_ns, stop):
            return
        self._send()

    def _send(self) -> None:
        if self._ring is None or self._chain is None:
            return
        for block in self._chain.feed(self._next_piece()[:, None], self._instant_ns(self._n_sent)):
            self._ring.put(block)
        self._n_sent += BLOCK_SAMPLES

    def _next_piece(self) -> Float32:
        """The next 160 samples of the file; silence after its end, or its beginning again."""
        numbers = np.arange(self._n_sent, self._n_sent + BLOCK_SAMPLES)
        if self._is_loop:
            return self._samples[numbers % len(self._samples)]
        piece = np.zeros(BLOCK_SAMPLES, np.float32)
        inside = numbers[numbers < len(self._samples)]
        piece[: len(inside)] = self._samples[inside]
        return piece

    def _instant_ns(self, n_samples: int) -> int:
        return self._t_start_ns + n_samples * NS_PER_S // LIVE_RATE_HZ
