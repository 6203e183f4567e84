"""The sound track of a recording: voice blocks, placed by their capture times, as samples without a gap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.record.drift_resampler import DriftResampler
from avatar_app.live.record.video_file import AAC_RATE_HZ

# A larger error of position is not drift: sound was lost, or the device was restarted.
JUMP_SAMPLES = AAC_RATE_HZ * 40 // 1000
PIECE_SAMPLES = AAC_RATE_HZ


class SoundTrack:
    """Yields samples at 48 kHz in order; sample k is the sound at `t_zero_ns` + k / 48 kHz.

    Missing sound is silence. Sound that arrives after its position was written is left out and counted.

    Thread: one at a time.
    """

    def __init__(self, t_zero_ns: int) -> None:
        self._t_zero_ns = t_zero_ns
        self._resampler: DriftResampler | None = None
        self._interpolators: dict[int, Interpolator] = {}
        self._limit_samples: int | None = None
        self.n_samples = 0
        self.n_late = 0

    def end_at(self, n_samples: int) -> None:
        """Yield no more than this many samples in all."""
        self._limit_samples = n_samples

    def feed(self, block: VoiceBlock) -> Iterator[Float32]:
        """Yield the samples that a block makes available, in pieces (n,) float32."""
        position = (block.t_capture_ns - self._t_zero_ns) * AAC_RATE_HZ / NS_PER_S
        if not self._continues(block, position):
            yield from self._begin(block.rate_hz, position)
        if self._resampler is not None:
            yield from self._write(self._resampler.feed(block.samples, position), self._resampler.next_position)

    def fill(self, t_ns: int) -> Iterator[Float32]:
        """Yield silence up to an instant, when no sound arrived."""
        n_wanted = (t_ns - self._t_zero_ns) * AAC_RATE_HZ // NS_PER_S
        if n_wanted > self.n_samples:
            yield from self._end()
            yield from self._silence(n_wanted)

    def finish(self) -> Iterator[Float32]:
        """Yield the remaining samples up to the limit."""
        yield from self._end()
        if self._limit_samples is not None:
            yield from self._silence(self._limit_samples)

    def _continues(self, block: VoiceBlock, position: float) -> bool:
        """Whether a block continues the sound before it."""
        resampler = self._resampler
        return (
            resampler is not None
            and not block.did_restart
            and resampler.rate_hz == block.rate_hz
            and abs(position - resampler.expected()) <= JUMP_SAMPLES
        )

    def _begin(self, rate_hz: int, position: float) -> Iterator[Float32]:
        """Begin new sound at a position, after silence up to there."""
        yield from self._end()
        if rate_hz not in self._interpolators:
            self._interpolators[rate_hz] = Interpolator(rate_hz, AAC_RATE_HZ)
        self._resampler = DriftResampler(rate_hz, position, self._interpolators[rate_hz])
        yield from self._silence(self._resampler.next_position)

    def _end(self) -> Iterator[Float32]:
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._write(resampler.finish(), resampler.next_position)

    def _write(self, samples: Float32, end: int) -> Iterator[Float32]:
        """Yield samples that end at a position, without those already written or beyond the limit."""
        n_late = min(len(samples), max(0, self.n_samples - (end - len(samples))))
        self.n_late += n_late
        samples = samples[n_late:]
        if self._limit_samples is not None:
            samples = samples[: max(0, self._limit_samples - self.n_samples)]
        if len(samples):
            self.n_samples += len(samples)
            yield samples

    def _silence(self, n_wanted: int) -> Iterator[Float32]:
        if self._limit_samples is not None:
            n_wanted = min(n_wanted, self._limit_samples)
        while self.n_samples < n_wanted:
            piece = np.zeros(min(PIECE_SAMPLES, n_wanted - self.n_samples), np.float32)
            self.n_samples += len(piece)
            yield piece
