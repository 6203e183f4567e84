"""Gives a trained hearer the strength of movement back that averaging took.

Where a sound leaves the mouth uncertain, a network trained on errors says the mean, so it moves less than the truth
does: lips almost close, "oo" is almost round. Each parameter is stretched around its mean until it spreads as far as
the true one does on held-out voices. That changes no correlation, and lips close (as global variance does in speech
synthesis: Toda and Tokuda, "A speech parameter generation algorithm considering global variance", 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avatar_app.studio.train.speech_encoder_score import Heard

# Beyond that it would be noise that is stretched.
MAX_GAIN = 1.6
STILL = 1e-3


@dataclass(frozen=True)
class Strength:
    """For every look-ahead and parameter, the mean of what is said and how far to stretch around it.

    Attributes:
        mean: (4, 14) float32.
        gain: (4, 14) float32, 1 or more.
    """

    mean: NDArray[np.float32]
    gain: NDArray[np.float32]


def missing_strength(heard: Sequence[Heard]) -> Strength:
    """How much weaker than the truth a network moves.

    Args:
        heard: what it says of voices that it was not trained on.
    """
    said = np.concatenate([h.said for h in heard], axis=2)
    true = np.concatenate([h.true for h in heard], axis=2)
    spread, wanted = said.std(axis=2), true.std(axis=2)
    is_still = (spread < STILL) | (wanted < STILL)
    gain = np.where(is_still, 1.0, np.clip(wanted / np.maximum(spread, STILL), 1.0, MAX_GAIN))
    return Strength(said.mean(axis=2).astype(np.float32), gain.astype(np.float32))


@torch.no_grad()
def stretch(layer: nn.Linear | nn.Conv1d, first_row: int, mean: NDArray[np.float32], gain: NDArray[np.float32]) -> None:
    """Stretch some rows of a last layer around a mean: y becomes mean + gain (y - mean).

    Args:
        layer: whose output y is.
        first_row: of the rows to stretch; there are as many as means.
        mean: (n,) float32.
        gain: (n,) float32.
    """
    if layer.bias is None:
        raise ValueError("a layer without bias cannot move its mean")
    rows = slice(first_row, first_row + len(mean))
    factor, centre = (torch.from_numpy(values).to(layer.weight) for values in (gain, mean))
    layer.weight[rows] *= factor.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.bias[rows] = centre + factor * (layer.bias[rows] - centre)
