"""From what a device delivers to blocks of 10 ms at 16 kHz."""

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
    """Mends, mixes down, amplifies, resamples, cleans and cuts. Thread: the microphone's.

    Args:
        rate_hz: of the device.
        level: gain, mute and meter.
        voice: gets the sound at the device's rate, before it is resampled and cleaned.
        cleaning: what the lips are spared.

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
        """Take what the device delivered.

        Args:
            samples: (n, channels) float32.
            t_capture_ns: capture instant of the first of them by the driver, on the program's clock; it may jitter.

        Returns:
            The blocks that are complete now; the first ever is marked as a restart.
        """
        self._clock.note(self._n_in, len(samples), t_capture_ns)
        sound = self._level.apply(self._mono(samples))
        self._say(sound)
        self._n_in += len(samples)
        self._rest = np.concatenate((self._rest, *self._cleaned(self._resampler.feed(sound))))
        blocks = []
        while len(self._rest) >= BLOCK_SAMPLES:
            blocks.append(self._cut())
        return blocks

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean otherwise from the next sound on, without a gap. Thread: any.

        Raises:
            MissingExtraError: as above; nothing changes then.
        """
        self._next_cleaner.put(Cleaner(cleaning))

    def skip_time(self) -> None:
        """Time was left out before the next sound, for certain: its stamp is no jitter."""
        self._clock.restart()

    def _cleaned(self, sound: Float32) -> tuple[Float32, ...]:
        """What the cleaners give now; one that leaves gives all that it held back."""
        held: Float32 = np.zeros(0, np.float32)
        following = self._next_cleaner.take()
        if following is not None:
            held, self._cleaner = self._cleaner.flush(), following
        return held, self._cleaner.feed(sound)

    def _say(self, sound: Float32) -> None:
        """Hand the sound to those who listen."""
        sound.flags.writeable = False
        t_ns = self._clock.instant_ns(self._n_in)
        self._voice.put(VoiceBlock(t_ns, self._rate_hz, sound, did_restart=self._n_in == 0))

    def _cut(self) -> AudioBlock:
        piece, self._rest = self._rest[:BLOCK_SAMPLES].copy(), self._rest[BLOCK_SAMPLES:]
        piece.flags.writeable = False
        index = self._n_out
        self._n_out += BLOCK_SAMPLES
        # Resampler and cleaner hold sound back but do not shift it: sample k out is the stream's instant k / 16 kHz.
        t_ns = self._clock.instant_ns(index, LIVE_RATE_HZ)
        return AudioBlock(t_ns, index, piece, did_restart=index == 0)

    def _mono(self, samples: Float32) -> Float32:
        is_bad = ~np.isfinite(samples)
        if is_bad.any():
            self.n_bad_samples += int(is_bad.sum())
            samples = np.where(is_bad, np.float32(0), samples)
        return self._downmix.feed(samples)
