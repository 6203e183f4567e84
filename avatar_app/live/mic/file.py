"""A file that plays in real time in place of a microphone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock, Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.media_file import shown
from avatar_app.live.mic.audio_file import SoundFile, missing_text
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import Level, MicControls
from avatar_app.live.mic.mic import SILENT_DB, MicState, MicStatus
from avatar_app.live.runtime.worker import Worker

# After a longer pause, such as a suspended machine, playing continues from now without catching up.
MAX_LATE_NS = ms_to_ns(500)
# `stop` waits this long for a thread that reads from a slow disk; the thread ends when the read returns.
STOP_TIMEOUT_S = 0.5
NOTICE_KEY = "mic-file"


class FileMic:
    """Plays a file into the ring on an absolute grid of 10 ms, reading it as it plays.

    Thread: `start` and `stop` by the owner, the rest any.

    Args:
        path: any file with sound.
        clock: the program's.
        notices: where a failure is reported.
        controls: gain and mute.
        cleaning: noise suppression and automatic gain.
        is_loop: start over at the end; otherwise silence follows.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        notices: NoticeBoard,
        controls: MicControls | None = None,
        cleaning: Cleaning | None = None,
        *,
        is_loop: bool,
    ) -> None:
        self._path = path
        self._clock = clock
        self._notices = notices
        self._is_loop = is_loop
        self._level = Level(LIVE_RATE_HZ, controls)
        self._cleaning = cleaning or Cleaning()
        self._chain: SoundChain | None = None
        self._sound: SoundFile | None = None
        self._pieces: Iterator[Float32] = iter(())
        self._rest: Float32 = np.zeros(0, np.float32)
        self._ring: Ring[AudioBlock] | None = None
        self._n_sent = 0
        self._t_start_ns = 0
        self._state = MicState.STOPPED
        self._is_over = False
        self._worker = Worker("mic", self._step, clock, notices)

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Open the file and start.

        Raises:
            AudioInputError: the file cannot be read, or holds no sound.
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        self._chain = SoundChain(LIVE_RATE_HZ, self._level, voice, self._cleaning)
        self._open()
        self._ring = ring
        self._n_sent = 0
        self._t_start_ns = self._clock.now_ns()
        if self._is_over:
            return
        self._state = MicState.RUNNING
        self._worker.start()

    def stop(self) -> None:
        """Stop now; a second call does nothing. The file is closed when a running read returns."""
        self._is_over = True
        self._state = MicState.STOPPED
        if self._worker.stop(STOP_TIMEOUT_S):
            self._close()

    def status(self) -> MicStatus:
        """The current status."""
        is_running = self._state is MicState.RUNNING
        return MicStatus(
            state=self._state,
            device=shown(self._path.name),
            rate_hz=LIVE_RATE_HZ if is_running else 0,
            n_channels=1 if is_running else 0,
            level_db=self._level.level_db if is_running else SILENT_DB,
            peak_db=self._level.peak_db if is_running else SILENT_DB,
            n_overflows=0,
            n_bad_samples=0,
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

    def _step(self, stop: threading.Event) -> None:
        """Send the next block at the instant at which a microphone would have captured all of it."""
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
        """The next 160 samples: of the file, then of silence or of the file again."""
        while len(self._rest) < BLOCK_SAMPLES:
            self._rest = np.concatenate((self._rest, self._read()))
        piece, self._rest = self._rest[:BLOCK_SAMPLES], self._rest[BLOCK_SAMPLES:]
        return piece

    def _read(self) -> Float32:
        """The next piece, at least one sample."""
        piece = next(self._pieces, None)
        if piece is not None:
            return piece
        self._report_missing()
        silence = itertools.repeat(np.zeros(BLOCK_SAMPLES, np.float32))
        self._pieces = self._sound.pieces() if self._is_loop and self._sound is not None else silence
        return next(self._pieces)

    def _open(self) -> None:
        """Open the file and read its beginning, so that a file without sound fails here."""
        self._close()
        self._sound = SoundFile(self._path)
        self._pieces = self._sound.pieces()
        try:
            self._rest = next(self._pieces)
        except AudioInputError:
            self._close()
            raise

    def _close(self) -> None:
        sound, self._sound, self._pieces = self._sound, None, iter(())
        if sound is not None:
            sound.close()

    def _report_missing(self) -> None:
        if self._sound is None or not self._sound.missing_s:
            return
        text = f"{missing_text(self._sound.missing_s)} of the sound of {self._sound.name} cannot be read."
        self._notices.warning(NOTICE_KEY, text, "The app plays silence there.")

    def _instant_ns(self, n_samples: int) -> int:
        return self._t_start_ns + n_samples * NS_PER_S // LIVE_RATE_HZ
