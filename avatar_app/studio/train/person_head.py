"""Fits a linear layer to a person in closed form: ridge regression around given weights.

With a few sentences a gradient needs many steps to find how far this person moves each parameter. The last layer of the
speech encoder is linear in the features before it, so the least squares solution is exact and takes milliseconds.

Synthetic voices have no frames in common with the person's motion. They are aligned by soft-DTW: its expected alignment
gives each frame of the voice a weighted mean of the person's mouths as target. Fitting and aligning in turn never
increases the soft-DTW cost, see `soft_alignment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avatar_app.studio.metrics.scores import OPEN_MM, SEALED_MM, SEALED_PICTURES
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, soft_alignment
from avatar_app.studio.train.person_data import OPENING_MM

# Penalties to choose from, in units of the mean square of the features.
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Weight of all sounds without speech, relative to all speech; additional weight of closed lips in speech. Chosen on
# validation sentences: lower values leave motion in silence and open lips in p, b and m.
QUIET_SHARE, SEALED_BOOST = 10.0, 15.0
_N_ALIGNMENTS = 2


@dataclass(frozen=True)
class LinearLayer:
    """y = W x + b.

    Attributes:
        weight: (14, F) float32.
        bias: (14,) float32.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """(n, F) to (n, 14), not clipped."""
        return features @ self.weight.T + self.bias


@dataclass(frozen=True)
class HeadSample:
    """Features and mouth of one sound.

    Attributes:
        features: (n, F) float32 at 25 fps.
        mouth: (n, 14) float32; for a synthetic voice (m, 14), not aligned.
    """

    features: Tensor
    mouth: Tensor


@dataclass(frozen=True)
class HeadData:
    """What a layer learns from.

    Attributes:
        own: the person's sentences.
        quiet: sounds without speech.
        synthetic: synthetic voices with the motion of the same sentences.
        quiet_share: weight of all sounds without speech, relative to all own speech.
        sealed_boost: additional weight of closed lips in speech.
    """

    own: Sequence[HeadSample]
    quiet: Sequence[HeadSample] = ()
    synthetic: Sequence[HeadSample] = ()
    quiet_share: float = QUIET_SHARE
    sealed_boost: float = SEALED_BOOST


@dataclass(frozen=True)
class _Weighted:
    """Frames: features (n, F), mouth (n, 14), weight (n,), in double precision."""

    features: Tensor
    mouth: Tensor
    weight: Tensor

    def scaled_to(self, total: float) -> _Weighted:
        return _Weighted(self.features, self.mouth, self.weight * (total / float(self.weight.sum())))


@torch.no_grad()
def fit_head(layer: LinearLayer, data: HeadData, penalties: Iterable[float]) -> list[LinearLayer]:
    """Ridge regressions of the mouths on the features, one per penalty.

    Minimises sum w |W x + b - y|^2 + penalty * trace(S) / F * |W - W_layer|^2, where S is the covariance of the
    features.

    Args:
        layer: where the penalty pulls to.
        data: sounds; synthetic ones are not used here.
        penalties: strengths of the penalty.
    """
    return _solved(layer, _frames(data), penalties)


@torch.no_grad()
def fit_aligned(
    layer: LinearLayer, start: LinearLayer, data: HeadData, penalty: float, share: float, options: SoftDtwOptions
) -> LinearLayer:
    """Fit with synthetic voices that are aligned by soft-DTW.

    Args:
        layer: where the penalty pulls to.
        start: predicts the first alignment, see `fit_head`.
        data: sounds.
        penalty: strength of the penalty.
        share: weight of all synthetic voices, relative to the person's own.
        options: of soft-DTW.
    """
    frames, total = _frames(data), share * float(_own_frames(data).weight.sum())
    for _ in range(_N_ALIGNMENTS):
        synthetic = _aligned(start, data.synthetic, options).scaled_to(total)
        (start,) = _solved(layer, _joined([frames, synthetic]), [penalty])
    return start


@torch.no_grad()
def fit_truncated(layer: LinearLayer, data: HeadData, penalty: float, share: float) -> LinearLayer:
    """The baseline: synthetic voices frame by frame, as far as both sequences reach."""
    pieces = []
    for one in data.synthetic:
        n = min(len(one.mouth), len(one.features))
        pieces.append(_equal(one.features[:n], one.mouth[:n]))
    synthetic = _joined(pieces).scaled_to(share * float(_own_frames(data).weight.sum()))
    return _solved(layer, _joined([_frames(data), synthetic]), [penalty])[0]


def head_error(layer: LinearLayer, samples: Sequence[HeadSample]) -> float:
    """Mean over samples of the mean squared error."""
    errors = [(layer(one.features).clamp(0, 1) - one.mouth).square().mean() for one in samples]
    return float(torch.stack(errors).mean())


def importance_of(mouth: Tensor, boost: float) -> Tensor:
    """(n,) float64: 1, and `boost` more where the lips close between open mouths, as in p, b and m.

    Args:
        mouth: (n, 14) at 25 fps.
        boost: additional weight.
    """
    gap_mm = mouth.double() @ torch.from_numpy(OPENING_MM).double()
    around = torch.nn.functional.max_pool1d(gap_mm[None], 2 * SEALED_PICTURES + 1, 1, SEALED_PICTURES)[0]
    return 1 + boost * ((gap_mm < SEALED_MM) & (around > OPEN_MM)).double()


def _own_frames(data: HeadData) -> _Weighted:
    return _joined([
        _Weighted(one.features.double(), one.mouth.double(), importance_of(one.mouth, data.sealed_boost))
        for one in data.own
    ])  # fmt: skip


def _frames(data: HeadData) -> _Weighted:
    own = _own_frames(data)
    if not data.quiet or data.quiet_share <= 0:
        return own
    quiet = _joined([_equal(one.features, one.mouth) for one in data.quiet])
    return _joined([own, quiet.scaled_to(data.quiet_share * float(own.weight.sum()))])


def _aligned(layer: LinearLayer, samples: Sequence[HeadSample], options: SoftDtwOptions) -> _Weighted:
    """Synthetic voices with the person's mouths where soft-DTW aligns them."""
    predicted = [layer(one.features).clamp(0, 1) for one in samples]
    mouths = [one.mouth for one in samples]
    n, m = (torch.tensor([len(one) for one in both]) for both in (predicted, mouths))
    padded = [pad_sequence(both, batch_first=True) for both in (predicted, mouths)]
    found = soft_alignment(padded[0], padded[1], n, m, options)
    pieces = []
    for k, one in enumerate(samples):
        alignment = found[k, : len(one.features), : len(one.mouth)].double()
        weight = alignment.sum(1)
        pieces.append(_Weighted(one.features.double(), alignment @ one.mouth.double() / weight[:, None], weight))
    return _joined(pieces)


def _equal(features: Tensor, mouth: Tensor) -> _Weighted:
    return _Weighted(features.double(), mouth.double(), torch.ones(len(mouth), dtype=torch.float64))


def _joined(parts: Sequence[_Weighted]) -> _Weighted:
    return _Weighted(
        torch.cat([one.features for one in parts]),
        torch.cat([one.mouth for one in parts]),
        torch.cat([one.weight for one in parts]),
    )


def _solved(layer: LinearLayer, frames: _Weighted, penalties: Iterable[float]) -> list[LinearLayer]:
    weight = frames.weight / frames.weight.sum()
    error = frames.mouth - (frames.features @ layer.weight.double().T + layer.bias.double())
    mean_x, mean_e = weight @ frames.features, weight @ error
    centred = (frames.features - mean_x) * weight.sqrt()[:, None]
    gram = centred.T @ centred
    moment = centred.T @ ((error - mean_e) * weight.sqrt()[:, None])
    unit = gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype)
    found = []
    for penalty in penalties:
        change = torch.linalg.solve(gram + penalty * unit, moment)
        bias = layer.bias + (mean_e - mean_x @ change).float()
        found.append(LinearLayer(layer.weight + change.T.float(), bias))
    return found
