"""Gain calibration: compensates the reduced motion of networks that were trained on errors.

Where sound leaves the mouth uncertain, such a network predicts the mean and moves less than the ground truth: lips
almost close, an "oo" is almost round. Each parameter is scaled around its mean until its standard deviation on held-out
speakers equals that of the ground truth. This keeps correlations and lets lips close, as global variance does in speech
synthesis (Toda and Tokuda, "A speech parameter generation algorithm considering global variance", 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avatar_app.studio.train.speech_encoder_score import Prediction

# A higher gain would amplify noise.
MAX_GAIN = 1.6
STILL = 1e-3


@dataclass(frozen=True)
class GainCalibration:
    """The mean of each output, and the gain around it.

    Attributes:
        mean: (4, 14) float32, per look-ahead and parameter.
        gain: (4, 14) float32, 1 or more.
    """

    mean: NDArray[np.float32]
    gain: NDArray[np.float32]


def calibrate_gain(predictions: Sequence[Prediction]) -> GainCalibration:
    """The gain that gives predictions the standard deviation of the ground truth.

    Args:
        predictions: for held-out speakers.
    """
    predicted = np.concatenate([p.predicted for p in predictions], axis=2)
    ground_truth = np.concatenate([p.ground_truth for p in predictions], axis=2)
    spread, wanted = predicted.std(axis=2), ground_truth.std(axis=2)
    is_still = (spread < STILL) | (wanted < STILL)
    gain = np.where(is_still, 1.0, np.clip(wanted / np.maximum(spread, STILL), 1.0, MAX_GAIN))
    return GainCalibration(predicted.mean(axis=2).astype(np.float32), gain.astype(np.float32))


@torch.no_grad()
def apply_gain(
    layer: nn.Linear | nn.Conv1d, first_row: int, mean: NDArray[np.float32], gain: NDArray[np.float32]
) -> None:
    """Scale some outputs of a last layer around a mean: y becomes mean + gain (y - mean).

    Args:
        layer: the layer, changed in place.
        first_row: index of the first of n outputs.
        mean: (n,) float32.
        gain: (n,) float32.
    """
    if layer.bias is None:
        raise ValueError("a layer without bias cannot move its mean")
    rows = slice(first_row, first_row + len(mean))
    factor, centre = (torch.from_numpy(values).to(layer.weight) for values in (gain, mean))
    layer.weight[rows] *= factor.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.bias[rows] = centre + factor * (layer.bias[rows] - centre)
