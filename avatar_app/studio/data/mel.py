"""Mel spectrogram for training in two steps, with augmentation between them: magnitudes, then mel bands.

The live path has a streaming implementation; a parity test compares the two.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.contracts.mel_spec import MEL
from avatar_app.live.mel.columns import filter_bank

N_BINS = MEL.n_fft // 2 + 1


def linear_magnitudes(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pre-emphasis and the magnitudes of the centred short-time Fourier transform.

    Args:
        samples: (n,) float32 in -1..1 at `MEL.rate_hz`.

    Returns:
        (n // hop + 1, n_fft / 2 + 1) float32, one row per mel column.
    """
    x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    emphasised = torch.cat([x[:1], x[1:] - MEL.preemphasis * x[:-1]])
    spectrum = torch.stft(
        emphasised,
        n_fft=MEL.n_fft,
        hop_length=MEL.hop_samples,
        win_length=MEL.window_samples,
        window=torch.hann_window(MEL.window_samples),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return np.asarray(spectrum.abs().T.contiguous().numpy(), dtype=np.float32)


def mel_from_magnitudes(magnitudes: Tensor) -> Tensor:
    """Scaled mel columns, the input of the networks.

    Args:
        magnitudes: (..., T, n_fft / 2 + 1) float32, not negative.

    Returns:
        (..., n_mels, T) float32 in -4..4.
    """
    bands = magnitudes @ _filters().T
    floor = 10.0 ** (MEL.min_level_db / 20.0)
    db = 20.0 * torch.log10(bands.clamp_min(floor)) - MEL.ref_level_db
    scaled = 2 * MEL.max_abs_value * (db - MEL.min_level_db) / -MEL.min_level_db - MEL.max_abs_value
    return scaled.clamp(-MEL.max_abs_value, MEL.max_abs_value).transpose(-1, -2)


def melspectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel columns of a whole recording, (n_mels, T) float32 in -4..4."""
    return np.asarray(mel_from_magnitudes(torch.from_numpy(linear_magnitudes(samples))).numpy())


@functools.lru_cache(maxsize=1)
def _filters() -> Tensor:
    """Slaney's mel bands, (n_mels, n_fft / 2 + 1) float32, the same as in the live path."""
    return torch.from_numpy(filter_bank())
