"""Least squares for the last layer of the speech encoder.

The losses of training are close to absolute errors, whose minimum is the median; the correlation of a curve is best at
the mean. The last layer is linear, so the weights with the least squared error on augmented batches follow from one
linear system for each look-ahead. A ridge (Hoerl and Kennard 1970) holds them near the trained weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.speech_batches import Batch
from avatar_app.studio.nets.speech_encoder import SpeechEncoder
from avatar_app.studio.train.speech_losses import SEALED_INDICES

Float64 = NDArray[np.float64]

# Strength of the ridge, relative to the mean square of each channel.
RIDGE = 0.1
# Additional weight of p, b and m, as in training; without it lips close less.
SEALED_BOOST = 3.0


@torch.no_grad()
def refit_readout(
    net: SpeechEncoder, batches: Iterable[Batch], ridge: float = RIDGE, sealed_boost: float = SEALED_BOOST
) -> None:
    """Replace the weights of the last layer.

    Args:
        net: in evaluation mode, on the CPU; changed in place.
        batches: augmented voices with their targets; at least one.
        ridge: strength of the ridge.
        sealed_boost: additional weight of closed lips.
    """
    n_inputs = net.shape.width + 1
    gram = np.zeros((len(LOOKAHEADS_MS), n_inputs, n_inputs))
    product = np.zeros((len(LOOKAHEADS_MS), n_inputs, N_MOUTH))
    for batch in batches:
        inputs = _rows(np.pad(net.features(batch.mel).numpy(), ((0, 0), (0, 1), (0, 0)), constant_values=1.0))
        for head in range(len(LOOKAHEADS_MS)):
            is_sealed = np.isin(batch.phones[:, head].numpy(), SEALED_INDICES)
            weight = (batch.trust.numpy()[:, None] * (1 + sealed_boost * is_sealed)).reshape(-1, 1)
            gram[head] += (inputs * weight).T @ inputs
            product[head] += (inputs * weight).T @ _rows(batch.mouth[:, head].numpy())
    for head in range(len(LOOKAHEADS_MS)):
        _replace(net, head, gram[head], product[head], ridge)


def _replace(net: SpeechEncoder, head: int, gram: Float64, product: Float64, ridge: float) -> None:
    rows = slice(head * N_MOUTH, (head + 1) * N_MOUTH)
    weight, bias = net.mouth.weight, net.mouth.bias
    assert bias is not None  # noqa: S101  our last layer has one
    before = np.concatenate([weight[rows, :, 0].numpy(), bias[rows, None].numpy()], axis=1).T.astype(np.float64)
    # A channel that is always zero keeps its weights.
    held = np.diag(ridge * np.diag(gram) + 1e-6)
    after = before + np.linalg.solve(gram + held, product - gram @ before)
    weight[rows, :, 0] = torch.from_numpy(after[:-1].T).to(weight)
    bias[rows] = torch.from_numpy(after[-1]).to(bias)


def _rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, C, N) to (B N, C)."""
    return np.ascontiguousarray(values.transpose(0, 2, 1).reshape(-1, values.shape[1]))
