"""Synthetic sounds without speech: noise, hum, keyboard, breath, rustle and tones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
DURATION_S = 30.0

Samples = NDArray[np.float32]


def all_noises(rng: np.random.Generator) -> Iterator[tuple[str, Samples]]:
    """Name and samples (n,) float32 at 16 kHz of each kind."""
    yield "white", coloured(rng, 0.0)
    yield "pink", coloured(rng, 0.5)
    yield "brown", coloured(rng, 1.0)
    yield "fan", coloured(rng, 0.8) + 0.5 * hum(rng, 110.0)
    yield "hum", hum(rng, 50.0) + 0.05 * coloured(rng, 0.5)
    yield "keyboard", keyboard(rng)
    yield "keyboard_fast", keyboard(rng, per_s=9.0)
    yield "breath", breath(rng)
    yield "breath_heavy", breath(rng, period_s=1.6)
    yield "rustle", rustle(rng)
    yield "chimes", chimes(rng)


def coloured(rng: np.random.Generator, slope: float) -> Samples:
    """Noise whose amplitude falls with frequency to the power `slope`; standard deviation 0.1."""
    n = int(RATE_HZ * DURATION_S)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / RATE_HZ)
    return _scaled(np.fft.irfft(spectrum / np.maximum(f, 30.0) ** slope, n))


def hum(rng: np.random.Generator, base_hz: float) -> Samples:
    """Mains or a motor: harmonics of falling amplitude."""
    t = np.arange(int(RATE_HZ * DURATION_S)) / RATE_HZ
    waves = [rng.uniform(0.3, 1.0) / k * np.sin(2 * np.pi * (k * base_hz * t + rng.uniform())) for k in range(1, 12)]
    return _scaled(np.sum(waves, axis=0))


def keyboard(rng: np.random.Generator, per_s: float = 4.0) -> Samples:
    """Key presses of two short bursts with a few resonances."""
    out = np.zeros(int(RATE_HZ * DURATION_S))
    t_s = 0.1
    while t_s < DURATION_S - 0.2:
        for delay_s, level in ((0.0, rng.uniform(0.4, 1.0)), (rng.uniform(0.05, 0.1), rng.uniform(0.1, 0.5))):
            _add(out, t_s + delay_s, level * _click(rng))
        t_s += float(rng.exponential(1 / per_s)) + 0.05
    return np.asarray(out * 0.3, dtype=np.float32)


def breath(rng: np.random.Generator, period_s: float = 2.8) -> Samples:
    """Breath: band-limited noise with a slow envelope."""
    out = np.zeros(int(RATE_HZ * DURATION_S))
    t_s = 0.3
    while t_s < DURATION_S - 1.5:
        n = int(RATE_HZ * rng.uniform(0.25, 0.9))
        swell = np.sin(np.pi * np.linspace(0, 1, n)) ** rng.uniform(0.7, 2.0)
        air = _band(rng.standard_normal(n), rng.uniform(150, 600), rng.uniform(1500, 5000))
        _add(out, t_s, rng.uniform(0.3, 1.0) * swell * air)
        t_s += float(rng.uniform(0.5, 1.5)) * period_s
    return np.asarray(out * 0.1, dtype=np.float32)


def rustle(rng: np.random.Generator) -> Samples:
    """Clothes and paper: noise with a random fast envelope."""
    air = coloured(rng, 0.2)
    flutter = np.repeat(rng.exponential(1.0, len(air) // 800 + 1), 800)[: len(air)]
    return _scaled(air * np.minimum(flutter, 4.0) ** 2)


def chimes(rng: np.random.Generator) -> Samples:
    """Notification sounds and distant music: decaying tones."""
    out = np.zeros(int(RATE_HZ * DURATION_S))
    t_s = 0.2
    while t_s < DURATION_S - 1.2:
        t = np.arange(RATE_HZ) / RATE_HZ
        tone = np.sin(2 * np.pi * rng.uniform(200, 2500) * t) * np.exp(-t * rng.uniform(3, 12))
        _add(out, t_s, rng.uniform(0.2, 1.0) * tone)
        t_s += float(rng.exponential(0.6)) + 0.05
    return np.asarray(out * 0.1, dtype=np.float32)


def _click(rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(int(RATE_HZ * 0.03)) / RATE_HZ
    ring = sum(np.sin(2 * np.pi * (rng.uniform(300, 6000) * t + rng.uniform())) for _ in range(4))
    return np.asarray((ring / 4 + rng.standard_normal(len(t))) * np.exp(-t * rng.uniform(100, 500)))


def _band(x: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(x)
    f = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    return np.asarray(
        np.fft.irfft(spectrum / (1 + (f / high_hz) ** 4) / (1 + (low_hz / np.maximum(f, 1.0)) ** 4), len(x))
    )


def _add(out: NDArray[np.float64], t_s: float, x: NDArray[np.float64]) -> None:
    start = int(t_s * RATE_HZ)
    n = min(len(x), len(out) - start)
    out[start : start + n] += x[:n]


def _scaled(x: NDArray[np.float64]) -> Samples:
    return np.asarray(0.1 * x / x.std(), dtype=np.float32)
