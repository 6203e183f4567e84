"""Pairs a synthetic voice with the real recording of the same sentence."""

from __future__ import annotations

import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.tts.engine import RATE_HZ

PICTURE_SAMPLES = RATE_HZ // 25
_BLOCK_SAMPLES = RATE_HZ // 40
# Speech is what exceeds this share of the loudest blocks.
_SPEECH_RATIO = 0.05
_TINY = 1e-6


def speech_bounds(samples: Float32) -> tuple[int, int]:
    """First sample of the speech in a recording, and the one after its last; (0, n) if there is only silence.

    Args:
        samples: (n,) at 16 kHz.
    """
    n_blocks = len(samples) // _BLOCK_SAMPLES
    if n_blocks == 0:
        return 0, len(samples)
    blocks = samples[: n_blocks * _BLOCK_SAMPLES].reshape(n_blocks, _BLOCK_SAMPLES)
    level = np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1))
    loud = np.flatnonzero(level > max(_SPEECH_RATIO * float(np.quantile(level, 0.95)), _TINY))
    if not len(loud):
        return 0, len(samples)
    end = int(loud[-1] + 1) * _BLOCK_SAMPLES
    return int(loud[0]) * _BLOCK_SAMPLES, len(samples) if loud[-1] == n_blocks - 1 else end


def fit_to_recording(synthetic: Float32, recording: Float32) -> Float32:
    """A synthetic sentence with the level of a recording, and as much silence before and after as the recording has.

    The speech itself keeps its own timing; alignment is the task of soft-DTW.

    Args:
        synthetic: (m,) at 16 kHz.
        recording: (n,) at 16 kHz, the same sentence.

    Returns:
        (k * 640,) float32 at 16 kHz, whole pictures at 25 fps.
    """
    first, end = speech_bounds(synthetic)
    before, after = speech_bounds(recording)
    speech = synthetic[first:end] * (_rms(recording[before:after]) / max(_rms(synthetic[first:end]), _TINY))
    fitted = np.concatenate([np.zeros(before), speech, np.zeros(len(recording) - after)])
    missing = -len(fitted) % PICTURE_SAMPLES
    return np.asarray(np.pad(fitted, (0, missing)), dtype=np.float32)


def _rms(samples: Float32) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
