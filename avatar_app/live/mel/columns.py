"""Mel columns from pre-emphasised sound."""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np

from avatar_app.contracts.mel_spec import MEL, MelSpec
from avatar_app.contracts.packets import Float32


@functools.lru_cache(maxsize=1)
def filter_bank() -> Float32:
    """Slaney's mel bands for `MEL`, (80, 401) float32, stored as data; a test compares them with librosa's."""
    with resources.files(__package__).joinpath("filters.npz").open("rb") as file, np.load(file) as data:
        bank: Float32 = data["slaney"]
    return bank


@functools.lru_cache(maxsize=1)
def _window(n_samples: int) -> Float32:
    """Periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_samples) / n_samples)).astype(np.float32)


def columns_of(emphasised: Float32, spec: MelSpec = MEL) -> Float32:
    """Mel columns of all whole windows in a piece of sound.

    Args:
        emphasised: (n,) float32 after pre-emphasis; window k covers samples k * hop .. k * hop + n_fft.
        spec: the constants.

    Returns:
        (80, (n - n_fft) // hop + 1) float32 in -4..4.
    """
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, spec.n_fft)[:: spec.hop_samples]
    magnitudes = np.abs(np.fft.rfft(windows * _window(spec.window_samples), axis=1)).astype(np.float32)
    return scaled(magnitudes @ filter_bank().T, spec).T


def scaled(bands: Float32, spec: MelSpec = MEL) -> Float32:
    """Scale band magnitudes for the students: dB, with -100..0 dB mapped to -4..4 and clipped."""
    floor = 10.0 ** (spec.min_level_db / 20.0)
    db = 20.0 * np.log10(np.maximum(bands, floor)) - spec.ref_level_db
    share = (db - spec.min_level_db) / -spec.min_level_db
    level = spec.max_abs_value
    columns: Float32 = np.clip(2.0 * level * share - level, -level, level).astype(np.float32)
    return columns
