"""The delay line: reads the sound captured at a given instant, at the rate of the output."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.voice.drift import DriftControl
from avatar_app.live.voice.history import SoundHistory
from avatar_app.live.voice.read_position import ReadPosition

# The longest delay and a margin.
KEPT_S = 3.0
# Twice as many blocks of 10 ms; with shorter blocks, fewer seconds of capture times are kept.
N_BLOCKS = 600
# Stamps of consecutive blocks jitter by less than this. At a larger gap sound was lost, and silence replaces it.
GAP_S = 0.005


class DelayLine:
    """Keeps the newest sound, and resamples it to the sample clock of the output. Thread: one.

    Args:
        out_hz: rate of the output.
    """

    def __init__(self, out_hz: int) -> None:
        self._out_hz = out_hz
        self._drift = DriftControl()
        self._in_hz = 0
        self._position: ReadPosition | None = None
        self._has_begun = False
        self._last = 0.0

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock is faster than the output's, in ppm."""
        return self._drift.drift_ppm

    @property
    def t_end_ns(self) -> float | None:
        """End of the sound so far; None before the first block."""
        return None if self._position is None else self._position.t_end_ns

    @property
    def lookahead_s(self) -> float:
        """Sound that must have arrived after an instant before it can be read."""
        return self._interpolator.half_samples / self._in_hz if self._position is not None else 0.0

    def is_interrupted_by(self, block: VoiceBlock) -> bool:
        """Whether sound is missing before a block, so that its lateness is no measure for the next ones."""
        return block.did_restart or (self._position is not None and self._gap_s(self._position, block) > GAP_S)

    def feed(self, block: VoiceBlock) -> None:
        """Take a block. A restart, or another rate, clears the line."""
        if not len(block.samples):
            return
        position = self._position
        if position is None or block.did_restart or block.rate_hz != self._in_hz:
            position = self._begin(block.rate_hz)
        gap_s = self._gap_s(position, block)
        if gap_s > KEPT_S:
            position = self._begin(block.rate_hz)
        elif gap_s > GAP_S:
            self._append(position, np.zeros(round(gap_s * self._in_hz), np.float32), round(position.t_end_ns))
        self._append(position, block.samples, block.t_capture_ns)

    def render(self, t_wanted_ns: float, n: int) -> tuple[Float32, float] | None:
        """Read the sound captured from an instant on.

        Args:
            t_wanted_ns: the instant.
            n: number of output samples.

        Returns:
            (n,) float32 and the capture instant of the first, which differs a little from the wanted one while the
            drift correction adapts; None while the sound has not arrived yet.
        """
        position = self._position
        if position is None:
            return None
        plan = position.plan(t_wanted_ns)
        if self._interpolator.span(plan.position, plan.step, n)[1] > position.end:
            return None
        sound = self._read(plan.position, plan.step, n)
        if plan.left_at is not None:
            sound = _crossfaded(self._read(plan.left_at, plan.step, n), sound)
        position.advance(plan, n)
        if self._has_begun:
            sound, self._has_begun = declicked(sound, self._last), False
        self._last = float(sound[-1])
        return sound, plan.t_capture_ns

    @staticmethod
    def _gap_s(position: ReadPosition, block: VoiceBlock) -> float:
        return 0.0 if not position.end else (block.t_capture_ns - position.t_end_ns) / NS_PER_S

    def _append(self, position: ReadPosition, samples: Float32, t_capture_ns: int) -> None:
        position.append(len(samples), t_capture_ns)
        self._history.append(samples)

    def _begin(self, rate_hz: int) -> ReadPosition:
        if rate_hz != self._in_hz:
            self._interpolator = Interpolator(rate_hz, self._out_hz)
        self._in_hz = rate_hz
        self._history = SoundHistory(round(KEPT_S * rate_hz))
        self._position = position = ReadPosition(rate_hz, self._out_hz, N_BLOCKS, self._drift)
        self._has_begun = True
        return position

    def _read(self, position: float, step: float, n: int) -> Float32:
        first, end = self._interpolator.span(position, step, n)
        return self._interpolator.read(self._history.span(first, end), position, step, n)


def declicked(sound: Float32, before: float) -> Float32:
    """(n,) float32 that starts at the previous sample's value, so that it does not click."""
    share = np.linspace(1, 0, len(sound), dtype=np.float32) ** 2
    return sound + share * np.float32(before - float(sound[0]))


def _crossfaded(old: Float32, new: Float32) -> Float32:
    """Crossfade with a constant sum of the two gains."""
    share = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, len(new)))).astype(np.float32)
    return old + share * (new - old)
