"""Mel columns of streamed sound, equal to those of the whole recording."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import AudioBlock, Float32, MelColumns
from avatar_app.contracts.units import samples_to_ns
from avatar_app.live.mel.columns import columns_of

HALF_SAMPLES = MEL.n_fft // 2


def melspectrogram(samples: Float32) -> Float32:
    """Mel spectrogram of a whole recording, as Wav2Lip's published code computes it.

    Args:
        samples: (n,) float32 at 16 kHz, nominally in -1..1.

    Returns:
        (80, n // 200 + 1) float32 in -4..4; column c is centred at c / 80 s. The sound before the beginning and
        after the end counts as silence.
    """
    edge = np.zeros(HALF_SAMPLES, dtype=np.float32)
    return columns_of(np.concatenate((edge, _emphasise(samples, 0.0), edge)))


class MelStream:
    """Streams sound to mel columns; the result does not depend on the size of the blocks.

    Thread: the speech thread.
    """

    lookahead_ms = MEL.half_window_ms

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new recording, with silence before it."""
        self._pending = np.zeros(HALF_SAMPLES, dtype=np.float32)
        self._last_sample = 0.0
        self._n_columns = 0
        self._n_samples = 0

    def feed(self, block: AudioBlock) -> MelColumns | None:
        """Take a block of sound; return the columns that are complete with it, if any."""
        samples = block.samples
        if len(samples) == 0:
            return None
        t_begin_ns = block.t_capture_ns - samples_to_ns(self._n_samples, MEL.rate_hz)
        self._pending = np.concatenate((self._pending, _emphasise(samples, self._last_sample)))
        self._last_sample = float(samples[-1])
        self._n_samples += len(samples)
        n_new = (len(self._pending) - MEL.n_fft) // MEL.hop_samples + 1
        if n_new <= 0:
            return None
        columns = columns_of(self._pending)
        self._pending = self._pending[n_new * MEL.hop_samples :]
        first, self._n_columns = self._n_columns, self._n_columns + n_new
        columns.flags.writeable = False
        return MelColumns(t_begin_ns + samples_to_ns(first * MEL.hop_samples, MEL.rate_hz), first, columns)


def _emphasise(samples: Float32, before: float) -> Float32:
    """Pre-emphasis, with `before` as the preceding sample; amplifies high frequencies."""
    shifted = np.empty_like(samples, dtype=np.float32)
    shifted[:1] = before
    shifted[1:] = samples[:-1]
    return (samples - np.float32(MEL.preemphasis) * shifted).astype(np.float32)
