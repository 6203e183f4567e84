"""Voice augmentation on magnitudes, a batch at a time: pitch, formants, room, microphone, codec, noise and level.

All steps lie between the Fourier transform and the mel bands, so the timing of the mouth does not change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool1d

from avatar_app.studio.data.mel import N_BINS, mel_from_magnitudes

BIN_HZ = 20.0
N_ENVELOPE = 28
_TINY = 1e-7
# Bins to each side in which a loud bin masks others.
_CODEC_REACH = 15


@dataclass(frozen=True, slots=True)
class AugmentationRanges:
    """Ranges of the augmentation; probabilities are per example.

    Attributes:
        pitch: frequency factors of the fine structure.
        formant: frequency factors of the spectral envelope.
        warp_probability: of a change of pitch and formants.
        eq_db: standard deviation of the microphone response.
        band_probability: of a microphone with a limited band.
        reverb_probability: of reverberation.
        noise_probability: of added noise.
        babble_ratio: share of that noise that is babble.
        snr_db: range of the signal-to-noise ratio.
        level_db: range of the level.
        codec_probability: of what a codec of a low bit rate leaves.
        codec_depth_db: range of the level below the loudest neighbour at which a codec drops a bin.
        mask_probability: of masked mel bands and columns.
    """

    pitch: tuple[float, float] = (0.72, 1.4)
    formant: tuple[float, float] = (0.84, 1.19)
    warp_probability: float = 0.7
    eq_db: float = 5.0
    band_probability: float = 0.2
    reverb_probability: float = 0.35
    noise_probability: float = 0.6
    babble_ratio: float = 0.25
    snr_db: tuple[float, float] = (0.0, 30.0)
    level_db: tuple[float, float] = (-30.0, 12.0)
    codec_probability: float = 0.15
    codec_depth_db: tuple[float, float] = (12.0, 30.0)
    mask_probability: float = 0.3


def augment(
    magnitudes: Tensor, noise: Tensor, babble: Tensor, rng: np.random.Generator, ranges: AugmentationRanges
) -> Tensor:
    """Mel columns of augmented voices.

    Args:
        magnitudes: (B, T, 401) float32, clean speech; all zero without a voice.
        noise: (B, T, 401) float32, a noise for each example.
        babble: (B, T, 401) float32, other speakers for each example.
        rng: the only source of randomness.
        ranges: of each step.

    Returns:
        (B, 80, T) float32 in -4..4.
    """
    n = len(magnitudes)
    x = magnitudes.clone()
    chosen = torch.from_numpy(rng.uniform(size=n) < ranges.warp_probability)
    if bool(chosen.any()):
        x[chosen] = warp_voice(x[chosen], rng, ranges)
    power = x.square_()
    ringing = torch.from_numpy(rng.uniform(size=n) < ranges.reverb_probability)
    if bool(ringing.any()):
        power[ringing] = reverberate(power[ringing], rng)
    power = add_noise(power, noise, babble, rng, ranges)
    coded = torch.from_numpy(rng.uniform(size=n) < ranges.codec_probability)
    if bool(coded.any()):
        power[coded] = drop_masked(power[coded], rng, ranges)
    gain = microphone_gain(n, rng, ranges) * level_gain(n, rng, ranges)
    mel = mel_from_magnitudes((power * gain[:, None].square()).sqrt_())
    return mask_mel(mel, rng, ranges)


def warp_voice(magnitudes: Tensor, rng: np.random.Generator, ranges: AugmentationRanges) -> Tensor:
    """Stretch the spectral envelope (formants) and the fine structure (pitch) in frequency, by different factors."""
    n = len(magnitudes)
    logs = magnitudes.clamp_min(_TINY).log_()
    basis = _cosines(N_ENVELOPE)
    envelope = (logs @ basis) @ basis.T
    fine = logs.sub_(envelope)
    out = _stretch(envelope, _factors(n, ranges.formant, rng), is_last_held=True)
    return out.add_(_stretch(fine, _factors(n, ranges.pitch, rng), is_last_held=False)).exp_()


def reverberate(power: Tensor, rng: np.random.Generator) -> Tensor:
    """Add an exponential tail: T60 of 0.15 to 0.8 s, shorter at high frequencies, 3 to 20 dB below the direct sound."""
    n, n_columns, n_bins = power.shape
    t60_s = _column(rng.uniform(0.15, 0.8, n)) * torch.linspace(1.0, 0.6, n_bins)
    decay = torch.exp(-math.log(1e6) / (80.0 * t60_s))
    share = _column(10 ** (-rng.uniform(3, 20, n) / 10)) * (1 - decay) * 8
    tail = torch.zeros(n, n_bins)
    out = torch.empty_like(power)
    for column in range(n_columns):
        torch.addcmul(power[:, column], share, tail, out=out[:, column])
        tail.mul_(decay).add_(power[:, column])
    return out


def add_noise(
    power: Tensor, noise: Tensor, babble: Tensor, rng: np.random.Generator, ranges: AugmentationRanges
) -> Tensor:
    """Add noise at a random signal-to-noise ratio, or at a random level where there is no voice."""
    n = len(power)
    is_babble = rng.uniform(size=n) < ranges.babble_ratio
    has_voice = power.amax(dim=(1, 2)).numpy() > 1e-6
    added = noise.square()
    for i in np.flatnonzero(is_babble & has_voice):
        added[i] = babble[i].square()
    # The mean over the louder half of the columns excludes pauses.
    voice = power.sum(2).clamp_min(_TINY).sort(dim=1).values[:, power.shape[1] // 2 :].mean(1)
    voice = torch.where(torch.from_numpy(has_voice), voice, torch.tensor(400.0))
    snr_db = rng.uniform(*ranges.snr_db, n) + np.where(is_babble, 6.0, 0.0)
    ratio = torch.from_numpy((10 ** (-snr_db / 10)).astype(np.float32)) * voice / added.sum(2).mean(1).clamp_min(_TINY)
    is_on = torch.from_numpy((rng.uniform(size=n) < ranges.noise_probability) | ~has_voice)
    scale = torch.where(is_on, ratio, torch.zeros(n))[:, None, None]
    return power + added * scale


def drop_masked(power: Tensor, rng: np.random.Generator, ranges: AugmentationRanges) -> Tensor:
    """Drop bins that a codec of a low bit rate drops: those far below the loudest bin within 300 Hz."""
    depth = _column(10 ** (-rng.uniform(*ranges.codec_depth_db, len(power)) / 10))[:, None]
    loudest = max_pool1d(power, 2 * _CODEC_REACH + 1, stride=1, padding=_CODEC_REACH)
    return torch.where(power < depth * loudest, torch.zeros(()), power)


def microphone_gain(n: int, rng: np.random.Generator, ranges: AugmentationRanges) -> Tensor:
    """(n, 401) amplitude response: smooth random, for some with the band of a telephone or a cheap headset."""
    falling = ranges.eq_db / np.sqrt(np.arange(1, 7))
    bumps = torch.from_numpy((rng.standard_normal((n, 6)) * falling).astype(np.float32))
    db = bumps @ _cosines(7)[:, 1:].T * math.sqrt(N_BINS / 2)
    f = torch.arange(N_BINS) * BIN_HZ
    low, high = _column(rng.uniform(80, 400, n)), _column(rng.uniform(2800, 7000, n))
    slope = _column(rng.uniform(12, 48, n))
    below, above = (low / (f + 1)).log2().clamp_min(0), ((f + 1) / high).log2().clamp_min(0)
    has_band = _column(rng.uniform(size=n) < ranges.band_probability)
    return torch.pow(10.0, (db - has_band * slope * (below + above)) / 20)


def level_gain(n: int, rng: np.random.Generator, ranges: AugmentationRanges) -> Tensor:
    """(n, 1) amplitude factor."""
    return _column(10 ** (rng.uniform(*ranges.level_db, n) / 20))


def mask_mel(mel: Tensor, rng: np.random.Generator, ranges: AugmentationRanges) -> Tensor:
    """Replace a few bands or columns by the mean, as SpecAugment does (Park et al. 2019)."""
    n_mels, n_columns = mel.shape[1:]
    for i in np.flatnonzero(rng.uniform(size=len(mel)) < ranges.mask_probability):
        fill = float(mel[i].mean())
        band, width = int(rng.integers(n_mels - 10)), int(rng.integers(1, 10))
        mel[i, band : band + width] = fill
        column, length = int(rng.integers(n_columns - 6)), int(rng.integers(1, 5))
        mel[i, :, column : column + length] = fill
    return mel


def _stretch(x: Tensor, factors: Tensor, *, is_last_held: bool) -> Tensor:
    """`y[f] = x[f / factor]` along the last axis, one factor per example; beyond the end the last value, or zero."""
    source = torch.arange(N_BINS) / factors[:, None]
    lower = source.floor().clamp_max(N_BINS - 2).long()
    share = (source - lower).clamp_max(1.0)
    out = torch.empty_like(x)
    for i in range(len(x)):
        left, right = x[i].index_select(1, lower[i]), x[i].index_select(1, lower[i] + 1)
        torch.lerp(left, right, share[i].expand_as(left), out=out[i])
        if not is_last_held:
            out[i][:, source[i] > N_BINS - 1] = 0.0
    return out


def _factors(n: int, between: tuple[float, float], rng: np.random.Generator) -> Tensor:
    low, high = np.log(between)
    return torch.from_numpy(np.exp(rng.uniform(low, high, n)).astype(np.float32))


def _column(values: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[:, None]


def _cosines(n: int) -> Tensor:
    """(401, n) orthonormal cosines over frequency."""
    k, i = torch.arange(n)[None], torch.arange(N_BINS)[:, None]
    basis = torch.cos(math.pi * (i + 0.5) * k / N_BINS) * math.sqrt(2 / N_BINS)
    basis[:, 0] /= math.sqrt(2)
    return basis
