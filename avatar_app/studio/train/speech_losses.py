"""Losses of networks from sound to mouth parameters, for the speech encoder and its offline teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, huber_loss

from avatar_app.studio.mouth import LIP_TO_TEETH, PHONES, SEALED

SEALED_INDICES = [PHONES.index(p) for p in SEALED]
TIGHT_INDICES = [*SEALED_INDICES, *map(PHONES.index, LIP_TO_TEETH)]
# Keeps the correlation of a segment without motion, which has no direction, near zero. In cm^2.
_LEAST_VARIANCE = 1e-3


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the losses.

    Attributes:
        huber_delta: below this error the loss is quadratic.
        opening: of the lip gap.
        velocity: of the motion.
        phone: of the phone classification.
        correlation: of one minus the correlation of the lip gap in each segment.
        sealed_boost: additional weight of phones that close the lips or bring them to the teeth.
    """

    huber_delta: float = 0.1
    opening: float = 0.5
    velocity: float = 0.5
    phone: float = 0.1
    correlation: float = 0.0
    sealed_boost: float = 2.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What to predict.

    Attributes:
        mouth: (B, H, 14, N) float32, for H heads.
        phones: (B, H, N) int64, index into `mouth.PHONES`.
        trust: (B,) float32, weight of each segment.
    """

    mouth: Tensor
    phones: Tensor
    trust: Tensor


class SpeechLosses:
    """The losses.

    Args:
        weights: of the losses.
        opening_mm: (14,) lip gap per unit of each parameter.
        visible: (14,) loss weight of each parameter.
    """

    def __init__(self, weights: LossWeights, opening_mm: Tensor, visible: Tensor) -> None:
        self._weights, self._opening_cm, self._visible = weights, opening_mm / 10, visible

    def __call__(self, mouth: Tensor, phones: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The loss and its weighted parts.

        Args:
            mouth: (B, H, 14, N) float32.
            phones: (B, H, 40, N) float32 logits.
            targets: what to predict.
        """
        weights, trust = self._weights, targets.trust[:, None, None]
        is_tight = torch.isin(targets.phones, torch.tensor(TIGHT_INDICES))
        weight = trust * (1 + weights.sealed_boost * is_tight)
        error = mouth - targets.mouth
        gap = self._gap(error)
        per_value = self._huber(error) * self._visible[:, None]
        phone_error = cross_entropy(phones.transpose(1, 2), targets.phones, reduction="none", label_smoothing=0.1)
        parts = {
            "shape": (per_value.mean(2) * weight).mean(),
            "opening": weights.opening * (self._huber(gap) * weight).mean(),
            "velocity": weights.velocity * self._velocity(error, gap, trust),
            "phone": weights.phone * (phone_error * trust).mean(),
        }
        if weights.correlation:
            apart = 1 - _correlation(self._gap(mouth), self._gap(targets.mouth))
            parts["correlation"] = weights.correlation * (apart * targets.trust[:, None]).mean()
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def _gap(self, mouth: Tensor) -> Tensor:
        return torch.einsum("bhpn,p->bhn", mouth, self._opening_cm)

    def _huber(self, error: Tensor) -> Tensor:
        delta = self._weights.huber_delta
        return huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta) / delta

    def _velocity(self, error: Tensor, gap: Tensor, trust: Tensor) -> Tensor:
        shape = (self._huber(error.diff(dim=-1)) * self._visible[:, None]).mean(2)
        return ((shape + self._huber(gap.diff(dim=-1))) * trust).mean()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """(B, H) correlation over time of (B, H, N)."""
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    return (a * b).mean(-1) / ((a.square().mean(-1) + _LEAST_VARIANCE) * (b.square().mean(-1) + _LEAST_VARIANCE)).sqrt()
