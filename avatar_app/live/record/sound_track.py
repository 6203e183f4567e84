"""The sound of a recording: voice blocks, by their capture times, as one line of samples without a hole."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.record.drift_resampler import Follower
from avatar_app.live.record.video_file import AAC_RATE_HZ

log = logging.getLogger(__name__)

# A block this far from where it was expected was not drift: sound was lost, or the device started anew.
JUMP_SAMPLES = AAC_RATE_HZ * 40 // 1000
PIECE_SAMPLES = AAC_RATE_HZ


class SoundLine:
    """Gives samples at 48 kHz in order; sample k is the sound at `t_zero_ns` + k / 48 kHz.

    What was not heard is silence. Sound whose place is taken already, because it came too late, is left out and
    counted. Thread: one at a time.
    """

    def __init__(self, t_zero_ns: int) -> None:
        self._t_zero_ns = t_zero_ns
        self._follower: Follower | None = None
        self._interpolators: dict[int, Interpolator] = {}
        self._limit_samples: int | None = None
        self.n_given = 0
        self.n_late = 0

    def end_at(self, n_samples: int) -> None:
        """Give no more than this many samples in all."""
        self._limit_samples = n_samples

    def feed(self, block: VoiceBlock) -> Iterator[Float32]:
        """The samples that became known through a block, in pieces (n,) float32."""
        place = (block.t_capture_ns - self._t_zero_ns) * AAC_RATE_HZ / NS_PER_S
        if not self._goes_on(block, place):
            yield from self._begin(block.rate_hz, place)
        if self._follower is not None:
            yield from self._give(self._follower.feed(block.samples, place), self._follower.start)

    def fill(self, t_ns: int) -> Iterator[Float32]:
        """Silence up to an instant, where nothing was heard."""
        n_wanted = (t_ns - self._t_zero_ns) * AAC_RATE_HZ // NS_PER_S
        if n_wanted > self.n_given:
            yield from self._end()
            yield from self._silence(n_wanted)

    def finish(self) -> Iterator[Float32]:
        """The rest up to the limit."""
        yield from self._end()
        if self._limit_samples is not None:
            yield from self._silence(self._limit_samples)

    def _goes_on(self, block: VoiceBlock, place: float) -> bool:
        """Whether a block continues the sound before it."""
        follower = self._follower
        return (
            follower is not None
            and not block.did_restart
            and follower.rate_hz == block.rate_hz
            and abs(place - follower.expected()) <= JUMP_SAMPLES
        )

    def _begin(self, rate_hz: int, place: float) -> Iterator[Float32]:
        """Start at a place with what is new; silence up to there."""
        yield from self._end()
        if rate_hz not in self._interpolators:
            self._interpolators[rate_hz] = Interpolator(rate_hz, AAC_RATE_HZ)
        self._follower = Follower(rate_hz, place, self._interpolators[rate_hz])
        yield from self._silence(self._follower.start)

    def _end(self) -> Iterator[Float32]:
        follower, self._follower = self._follower, None
        if follower is not None:
            yield from self._give(follower.finish(), follower.start)

    def _give(self, samples: Float32, start: int) -> Iterator[Float32]:
        """Samples whose last ends at the follower's place, less what is there already or beyond the limit."""
        first = start - len(samples)
        n_late = min(len(samples), max(0, self.n_given - first))
        self.n_late += n_late
        samples = samples[n_late:]
        if self._limit_samples is not None:
            samples = samples[: max(0, self._limit_samples - self.n_given)]
        if len(samples):
            self.n_given += len(samples)
            yield samples

    def _silence(self, n_wanted: int) -> Iterator[Float32]:
        if self._limit_samples is not None:
            n_wanted = min(n_wanted, self._limit_samples)
        while self.n_given < n_wanted:
            piece = np.zeros(min(PIECE_SAMPLES, n_wanted - self.n_given), np.float32)
            self.n_given += len(piece)
            yield piece
