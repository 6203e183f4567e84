"""Downmix to mono: no channel cancels another, and the mix is as loud as the loudest channel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32

STEP_S = 0.01
MEMORY_S = 0.5
# Channels with a higher correlation record one source: those of opposite sign are inverted before they are added.
SAME_SOURCE = 0.5
# A channel with this share of the loudest one's power has half its weight; softer ones have less.
SOFT_RATIO = 1e-4
# Sound below -100 dBFS does not change the weights.
SILENT_POWER = 1e-10


class Downmix:
    """Weights the channels by their power and correlation over the last half second. Thread: one.

    Each complete step of 10 ms sets new weights, which take effect gradually over the next step, so no sound is
    delayed. Only the first sound that is not silent sets its own weights. Whole and piecewise feeding, in pieces of
    10 ms or more, give the same.

    Args:
        rate_hz: of the sound.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._n_step = max(1, round(STEP_S * rate_hz))
        self._decay = math.exp(-STEP_S / MEMORY_S)
        self._reset(1)

    def feed(self, samples: Float32) -> Float32:
        """Mix (n, channels) float32, all finite, to (n,) float32."""
        if samples.shape[1] == 1:
            return samples[:, 0]
        if samples.shape[1] != len(self._signs):
            self._reset(samples.shape[1])
        mixed: list[Float32] = []
        while len(samples):
            n_now = self._n_step - self._n_in
            mixed.append(self._mix(samples[:n_now]))
            samples = samples[n_now:]
        return np.concatenate(mixed) if mixed else np.zeros(0, np.float32)

    def _reset(self, n_channels: int) -> None:
        self._signs: NDArray[np.float64] = np.ones(n_channels)
        self._covariance: NDArray[np.float64] = np.zeros((n_channels, n_channels))
        self._has_weights = False
        # Weights at the beginning and at the end of the current step.
        self._from = self._to = np.full(n_channels, 1 / n_channels)
        self._begin_step()

    def _begin_step(self) -> None:
        n_channels = len(self._signs)
        self._n_in = 0
        self._sum: NDArray[np.float64] = np.zeros(n_channels)
        self._products: NDArray[np.float64] = np.zeros((n_channels, n_channels))

    def _mix(self, samples: Float32) -> Float32:
        """Mix a part of the current step."""
        precise = samples.astype(np.float64)
        self._sum = self._sum + precise.sum(axis=0)
        self._products = self._products + precise.T @ precise
        if not self._has_weights:
            self._set_first_weights(len(samples))
        shares = np.arange(self._n_in + 1, self._n_in + len(samples) + 1)[:, None] / self._n_step
        weights = self._from + (self._to - self._from) * shares
        mixed: Float32 = np.einsum("nc,nc->n", precise, weights).astype(np.float32)
        self._n_in += len(samples)
        if self._n_in == self._n_step:
            self._end_step()
        return mixed

    def _set_first_weights(self, n_samples: int) -> None:
        covariance = self._covariance_of_step(self._n_in + n_samples)
        if covariance.diagonal().max() > SILENT_POWER:
            self._has_weights = True
            self._covariance = covariance
            self._from = self._to = self._new_weights()

    def _end_step(self) -> None:
        """Update the covariance with a complete step, and choose the weights at the end of the next one."""
        self._covariance = self._decay * self._covariance + self._covariance_of_step(self._n_in)
        self._from = self._to
        if self._has_weights and self._covariance.diagonal().max() > SILENT_POWER:
            self._to = self._new_weights()
        self._begin_step()

    def _covariance_of_step(self, n_samples: int) -> NDArray[np.float64]:
        """(channels, channels): mean products without the DC offset that some sound cards add."""
        return np.asarray((self._products - np.outer(self._sum, self._sum) / n_samples) / n_samples)

    def _new_weights(self) -> NDArray[np.float64]:
        """(channels,) weights; negative ones invert a channel."""
        power = np.maximum(self._covariance.diagonal(), np.finfo(float).tiny)
        self._align(power)
        weights = self._signs * power * (1 + SOFT_RATIO) / (power + SOFT_RATIO * power.max())
        mixed_power = float(weights @ self._covariance @ weights)
        gain = min(1.0, math.sqrt(power.max() / max(mixed_power, np.finfo(float).tiny)))
        return np.asarray(gain * weights)

    def _align(self, power: NDArray[np.float64]) -> None:
        """Give each channel the sign with which it adds to the louder channel of highest correlation.

        The loudest channel, and channels without such a partner, keep their sign: the mix is never inverted.
        """
        scale = np.sqrt(power)
        correlation = self._covariance / np.outer(scale, scale)
        order = np.argsort(-power, kind="stable")
        for place, channel in enumerate(order[1:], start=1):
            louder = order[:place]
            nearest = louder[np.argmax(np.abs(correlation[channel, louder]))]
            if abs(correlation[channel, nearest]) > SAME_SOURCE:
                self._signs[channel] = self._signs[nearest] * np.sign(correlation[channel, nearest])
