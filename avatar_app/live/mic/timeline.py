"""Places decoded sound on the timeline of its file: mono, one rate, without gaps and overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr

from avatar_app.contracts.packets import Float32
from avatar_app.live.audio.downmix import Downmix
from avatar_app.live.mic.decode import Piece

# Time stamps are rounded and jitter: after the first one the sample count is the clock, unless they differ by more.
JITTER_S = 0.04
# A larger step back is no overlap but an appended recording. A shorter appended recording starts near time zero.
MAX_OVERLAP_S = 1.0
BEGINNING_S = 0.1
# A larger gap is a jump of the time stamps if the format may jump, or if it lies beyond the end of the file.
MAX_GAP_S = 10.0
SILENCE_S = 1.0
# A lower rate is damage, and would become a very long sound.
MIN_RATE_HZ = 1000


class Timeline:
    """Takes pieces in order and returns the sound that is complete. Thread: one.

    Args:
        rate_hz: output rate.

    Attributes:
        gap_s: seconds of silence inserted between pieces, without that before the first.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._n_out = 0
        self._run: _Run | None = None
        self._downmix: Downmix | None = None
        self.gap_s = 0.0
        self.begin(None, is_discontinuous=False)

    @property
    def position_s(self) -> float:
        """End of the sound so far."""
        return self._run.position_s if self._run is not None else self._n_out / self._rate_hz

    @property
    def played_s(self) -> float:
        """Duration of the current container so far."""
        return self.position_s - self._t_part_s

    def begin(self, duration_s: float | None, *, is_discontinuous: bool) -> None:
        """Start another container directly after the sound so far.

        Args:
            duration_s: the length in its header; None if the header has none.
            is_discontinuous: whether its time stamps may jump.
        """
        self._t_part_s = self._offset_s = self.position_s
        self._downmix = None
        self._duration_s = duration_s
        self._is_discontinuous = is_discontinuous

    def place(self, piece: Piece) -> Iterator[Float32]:
        """Add a piece; yields the samples (n,) float32 that are complete.

        Raises:
            ValueError: its rate is too low for sound.
        """
        if piece.rate_hz < MIN_RATE_HZ:
            raise ValueError(f"it has {piece.rate_hz} samples a second")
        ahead_s = self._time_of(piece) - self.position_s
        samples = piece.samples
        tolerance_s = JITTER_S if self.played_s else 0.0
        if ahead_s > tolerance_s:
            self.gap_s += ahead_s if self.played_s else 0.0
            yield from self._silence_until(self.position_s + ahead_s)
        elif ahead_s < -tolerance_s:
            samples = samples[round(-ahead_s * piece.rate_hz) :]
        yield from self._add(samples, piece.rate_hz)

    def end(self, t_end_s: float) -> Iterator[Float32]:
        """End the container; yields the rest, and silence until `t_end_s` after its beginning."""
        yield from self._flush()
        is_plausible = self._duration_s is None or t_end_s <= self._duration_s + SILENCE_S
        if is_plausible and self._offset_s == self._t_part_s:
            yield from self._silence_until(self._t_part_s + t_end_s)

    def _time_of(self, piece: Piece) -> float:
        """Time of a piece; where the time stamps jump, their offset changes."""
        if piece.t_s is None:
            return self.position_s
        t_s = self._offset_s + piece.t_s
        if self._is_jump(t_s - self.position_s, piece.t_s):
            self._offset_s += self.position_s - t_s
            return self.position_s
        return t_s

    def _is_jump(self, ahead_s: float, t_s: float) -> bool:
        if ahead_s < 0:
            is_beginning = ahead_s < -JITTER_S and t_s <= BEGINNING_S < self.played_s - BEGINNING_S
            return is_beginning or ahead_s < -MAX_OVERLAP_S
        may_be_long = self._duration_s is not None and not (self._is_discontinuous and self.played_s)
        return ahead_s > MAX_GAP_S and not (may_be_long and t_s <= (self._duration_s or 0.0))

    def _add(self, samples: Float32, rate_hz: int) -> Iterator[Float32]:
        if self._run is None or self._run.rate_hz != rate_hz:
            yield from self._flush()
            self._run = _Run(rate_hz, self._rate_hz, self._n_out / self._rate_hz)
        if self._downmix is None or self._downmix.rate_hz != rate_hz:
            self._downmix = Downmix(rate_hz)
        yield from self._emit(self._run.feed(self._downmix.feed(samples)))

    def _flush(self) -> Iterator[Float32]:
        run, self._run = self._run, None
        if run is not None:
            yield from self._emit(run.finish())

    def _silence_until(self, t_s: float) -> Iterator[Float32]:
        yield from self._flush()
        n_wanted, n_piece = round(t_s * self._rate_hz), round(SILENCE_S * self._rate_hz)
        while self._n_out < n_wanted:
            yield from self._emit(np.zeros(min(n_piece, n_wanted - self._n_out), np.float32))

    def _emit(self, samples: Float32) -> Iterator[Float32]:
        self._n_out += len(samples)
        if len(samples):
            yield samples


class _Run:
    """Continuous sound at one rate, resampled.

    Args:
        rate_hz: input rate.
        to_rate_hz: output rate.
        t_start_s: time of its beginning.
    """

    def __init__(self, rate_hz: int, to_rate_hz: int, t_start_s: float) -> None:
        self.rate_hz = rate_hz
        self._t_start_s = t_start_s
        self._n_in = 0
        is_same = rate_hz == to_rate_hz
        self._resampler: Any = None if is_same else soxr.ResampleStream(rate_hz, to_rate_hz, 1, quality="HQ")

    @property
    def position_s(self) -> float:
        """End of the sound so far."""
        return self._t_start_s + self._n_in / self.rate_hz

    def feed(self, samples: Float32) -> Float32:
        """Take (n,); return the samples that are complete."""
        self._n_in += len(samples)
        return samples if self._resampler is None else self._resampled(samples)

    def finish(self) -> Float32:
        """Return the remaining samples."""
        empty: Float32 = np.zeros(0, np.float32)
        return empty if self._resampler is None else self._resampled(empty, is_last=True)

    def _resampled(self, samples: Float32, *, is_last: bool = False) -> Float32:
        return np.asarray(self._resampler.resample_chunk(samples, last=is_last), np.float32)
