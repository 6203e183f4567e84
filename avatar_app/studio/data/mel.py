"""Mel spectrogram for training, cut in two where the training voices are changed: magnitudes first, mel bands after.

The live path has its own streaming version; a parity test holds the two together.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.contracts.mel_spec import MEL, MelSpec

N_BINS = MEL.n_fft // 2 + 1


def linear_magnitudes(samples: NDArray[np.float32], spec: MelSpec = MEL) -> NDArray[np.float32]:
    """Pre-emphasis and the magnitudes of the centred short-time Fourier transform.

    Args:
        samples: (n,) float32 in -1..1 at `spec.rate_hz`.
        spec: the constants.

    Returns:
        (n // hop + 1, n_fft / 2 + 1) float32, one row per mel column.
    """
    x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    emphasised = torch.cat([x[:1], x[1:] - spec.preemphasis * x[:-1]])
    spectrum = torch.stft(
        emphasised,
        n_fft=spec.n_fft,
        hop_length=spec.hop_samples,
        win_length=spec.window_samples,
        window=torch.hann_window(spec.window_samples),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return np.asarray(spectrum.abs().T.contiguous().numpy(), dtype=np.float32)


@functools.lru_cache(maxsize=1)
def filter_bank(spec: MelSpec = MEL) -> Tensor:
    """Slaney's mel bands, (n_mels, n_fft / 2 + 1) float32."""
    import librosa

    bank = librosa.filters.mel(
        sr=spec.rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz
    )
    return torch.from_numpy(np.asarray(bank, dtype=np.float32))


def mel_from_magnitudes(magnitudes: Tensor, spec: MelSpec = MEL) -> Tensor:
    """Mel columns as the student sees them.

    Args:
        magnitudes: (..., T, n_fft / 2 + 1) float32, not negative.
        spec: the constants.

    Returns:
        (..., n_mels, T) float32 in -4..4.
    """
    bands = magnitudes @ filter_bank(spec).T
    floor = 10.0 ** (spec.min_level_db / 20.0)
    db = 20.0 * torch.log10(bands.clamp_min(floor)) - spec.ref_level_db
    scaled = 2 * spec.max_abs_value * (db - spec.min_level_db) / -spec.min_level_db - spec.max_abs_value
    return scaled.clamp(-spec.max_abs_value, spec.max_abs_value).transpose(-1, -2)


def melspectrogram(samples: NDArray[np.float32], spec: MelSpec = MEL) -> NDArray[np.float32]:
    """Mel columns of a whole recording, (n_mels, T) float32 in -4..4."""
    return np.asarray(mel_from_magnitudes(torch.from_numpy(linear_magnitudes(samples, spec)), spec).numpy())
