"""Turns the driver's deliveries into blocks of 10 ms at 16 kHz."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.handoff import Fan, Latest
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock, Float32, VoiceBlock
from avatar_app.live.audio.downmix import Downmix
from avatar_app.live.mic.clean import Cleaner, Cleaning
from avatar_app.live.mic.level import Level
from avatar_app.live.mic.resample import Resampler
from avatar_app.live.mic.sample_clock import SampleClock


class SoundChain:
    """Removes bad samples, mixes down, amplifies, resamples, cleans and cuts. Thread: the microphone's.

    Args:
        rate_hz: of the device.
        level: gain, mute and meter.
        voice: receives the sound at the device's rate, before resampling and cleaning.
        cleaning: noise suppression and automatic gain.

    Raises:
        MissingExtraError: noise suppression is wanted and its package is not installed.
    """

    def __init__(
        self, rate_hz: int, level: Level, voice: Fan[VoiceBlock] | None = None, cleaning: Cleaning | None = None
    ) -> None:
        self._voice: Fan[VoiceBlock] = Fan() if voice is None else voice
        self._rate_hz = rate_hz
        self._clock = SampleClock(rate_hz)
        self._level = level
        self._downmix = Downmix(rate_hz)
        self._resampler = Resampler(rate_hz)
        self._cleaner = Cleaner(cleaning or Cleaning())
        self._next_cleaner: Latest[Cleaner] = Latest()
        self._rest: Float32 = np.zeros(0, np.float32)
        self._n_in = 0
        self._n_out = 0
        self.n_bad_samples = 0

    def feed(self, samples: Float32, t_capture_ns: int) -> list[AudioBlock]:
        """Process a delivery of the device.

        Args:
            samples: (n, channels) float32.
            t_capture_ns: the driver's capture instant of the first one, on the program's clock; may jitter.

        Returns:
            The blocks that are complete; the first block of the stream is marked as a restart.
        """
        self._clock.note(self._n_in, len(samples), t_capture_ns)
        sound = self._level.apply(self._mono(samples))
        self._put_voice(sound)
        self._n_in += len(samples)
        self._rest = np.concatenate((self._rest, *self._cleaned(self._resampler.feed(sound))))
        blocks = []
        while len(self._rest) >= BLOCK_SAMPLES:
            blocks.append(self._cut())
        return blocks

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Change the cleaning from the next delivery on, without a gap. Thread: any.

        Raises:
            MissingExtraError: as above; the cleaning stays as it is.
        """
        self._next_cleaner.put(Cleaner(cleaning))

    def skip_time(self) -> None:
        """Accept the next time stamp as it is: sound was skipped before it."""
        self._clock.restart()

    def _cleaned(self, sound: Float32) -> tuple[Float32, ...]:
        """The cleaned sound; after a change, preceded by all that the old cleaner held back."""
        held: Float32 = np.zeros(0, np.float32)
        replacement = self._next_cleaner.take()
        if replacement is not None:
            held, self._cleaner = self._cleaner.flush(), replacement
        return held, self._cleaner.feed(sound)

    def _put_voice(self, sound: Float32) -> None:
        sound.flags.writeable = False
        t_ns = self._clock.instant_ns(self._n_in)
        self._voice.put(VoiceBlock(t_ns, self._rate_hz, sound, did_restart=self._n_in == 0))

    def _cut(self) -> AudioBlock:
        piece, self._rest = self._rest[:BLOCK_SAMPLES].copy(), self._rest[BLOCK_SAMPLES:]
        piece.flags.writeable = False
        index = self._n_out
        self._n_out += BLOCK_SAMPLES
        # Resampler and cleaner delay sound but do not shift its time: sample k is the instant k / 16 kHz of the stream.
        t_ns = self._clock.instant_ns(index, LIVE_RATE_HZ)
        return AudioBlock(t_ns, index, piece, did_restart=index == 0)

    def _mono(self, samples: Float32) -> Float32:
        is_bad = ~np.isfinite(samples)
        if is_bad.any():
            self.n_bad_samples += int(is_bad.sum())
            samples = np.where(is_bad, np.float32(0), samples)
        return self._downmix.feed(samples)
