"""Fits the last layer of the speech encoder to a person in closed form: ridge regression around the given weights.

With a few sentences a gradient needs many steps to find how far this person moves each parameter. The last layer is
linear in the features before it, so the least squares solution is exact and takes milliseconds.

Synthetic voices have no frames in common with the person's motion. They are aligned by soft-DTW: its expected alignment
gives each frame of the voice a weighted mean of the person's mouths as target. Fitting and aligning in turn never
increases the soft-DTW cost, see `soft_alignment`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import mel_from_magnitudes
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.metrics.scores import OPEN_MM, SEALED_MM, SEALED_PICTURES
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, soft_alignment
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.speech_encoder import SpeechEncoder
from avatar_app.studio.train.person_data import OPENING_MM, PICTURES_PER_S, at_pictures, padded_magnitudes

N_HEADS = len(LOOKAHEADS_MS)
# Penalties to choose from, in units of the mean square of the features.
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Weight of all sounds without speech, relative to all speech; additional weight of closed lips in speech. Chosen on
# validation sentences: lower values leave motion in silence and open lips in p, b and m.
QUIET_SHARE, SEALED_BOOST = 10.0, 15.0
_N_ALIGNMENTS = 2
_CHUNK = 4


@dataclass(frozen=True)
class HeadSample:
    """Features and mouth of one sound.

    Attributes:
        features: (4, n, width) float32, per look-ahead, at 25 fps.
        mouth: (n, 14) float32; for a synthetic voice (m, 14), not aligned.
    """

    features: Tensor
    mouth: Tensor


@dataclass(frozen=True)
class _Weighted:
    """Frames for one look-ahead: features (n, width), mouth (n, 14), weight (n,), in double precision."""

    features: Tensor
    mouth: Tensor
    weight: Tensor


@dataclass(frozen=True)
class HeadData:
    """What the last layer learns from.

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


@torch.no_grad()
def head_samples(
    net: SpeechEncoder, sounds: Sequence[NDArray[np.float16]], n_pictures: Sequence[int], mouths: Sequence[Tensor]
) -> list[HeadSample]:
    """Features of whole sounds.

    Args:
        net: in evaluation mode.
        sounds: (T, 401) magnitudes of each.
        n_pictures: length of each at 25 fps.
        mouths: of each, see `HeadSample`.
    """
    samples: list[HeadSample] = []
    for k in range(0, len(sounds), _CHUNK):
        mel = mel_from_magnitudes(padded_magnitudes(sounds[k : k + _CHUNK], net.window_columns))
        for row, n, mouth in zip(net.features(mel[:, None]), n_pictures[k:], mouths[k:], strict=False):
            per_head = [at_pictures(row, n, ms).T for ms in LOOKAHEADS_MS]
            samples.append(HeadSample(torch.stack(per_head), mouth))
    return samples


def own_samples(net: SpeechEncoder, utterances: Sequence[Utterance]) -> list[HeadSample]:
    """Features of utterances with their mouths."""
    step = 100 // PICTURES_PER_S
    # Curve value k lies at (k + 0.5) / 100 s: the middle of picture 0 lies between values 1 and 2.
    middles = [(u.mouth[1::step] + u.mouth[2::step]) / 2 for u in utterances]
    mouths = [torch.from_numpy(np.ascontiguousarray(middle, dtype=np.float32)) for middle in middles]
    return head_samples(net, [u.magnitudes for u in utterances], [len(mouth) for mouth in mouths], mouths)


def quiet_samples(net: SpeechEncoder, utterances: Sequence[Utterance], n_pictures: int = 100) -> list[HeadSample]:
    """Features of the first seconds of sounds without speech, with the mouth at rest."""
    rest = torch.from_numpy(np.tile(REST, (n_pictures, 1)))
    n_columns = n_pictures * 80 // PICTURES_PER_S
    sounds = [u.magnitudes[:n_columns] for u in utterances]
    return head_samples(net, sounds, [n_pictures] * len(sounds), [rest] * len(sounds))


@torch.no_grad()
def fit_head(net: SpeechEncoder, data: HeadData, penalties: Iterable[float]) -> list[SpeechEncoder]:
    """Copies of a network whose last layers are ridge regressions of the mouths on the features, one per penalty.

    Minimises sum w |W x + b - y|^2 + penalty * trace(S) / width * |W - W_net|^2 for each look-ahead, where S is the
    covariance of the features.

    Args:
        net: the network; its own last layer is where the penalty pulls to.
        data: sounds; synthetic ones are not used here.
        penalties: strengths of the penalty.
    """
    return _solved(net, [_frames(data, head) for head in range(N_HEADS)], penalties)


@torch.no_grad()
def fit_aligned(
    net: SpeechEncoder, start: SpeechEncoder, data: HeadData, penalty: float, share: float, options: SoftDtwOptions
) -> SpeechEncoder:
    """Fit with synthetic voices that are aligned by soft-DTW.

    Args:
        net: the network that the penalty pulls to.
        start: predicts the first alignment, see `fit_head`.
        data: sounds.
        penalty: strength of the penalty.
        share: weight of all synthetic voices, relative to the person's own.
        options: of soft-DTW.
    """
    for _ in range(_N_ALIGNMENTS):
        per_head = []
        for head in range(N_HEADS):
            own, synthetic = _frames(data, head), _aligned(start, data, head, options)
            scale = share * float(_frames(data, head, is_own_only=True).weight.sum()) / float(synthetic.weight.sum())
            per_head.append(_joined([own, _Weighted(synthetic.features, synthetic.mouth, synthetic.weight * scale)]))
        (start,) = _solved(net, per_head, [penalty])
    return start


@torch.no_grad()
def fit_truncated(net: SpeechEncoder, data: HeadData, penalty: float, share: float) -> SpeechEncoder:
    """The baseline: synthetic voices frame by frame, as far as both sequences reach."""
    per_head = []
    for head in range(N_HEADS):
        pieces = []
        for one in data.synthetic:
            n = min(len(one.mouth), one.features.shape[1])
            pieces.append(_equal(one.features[head, :n], one.mouth[:n]))
        synthetic = _joined(pieces)
        scale = share * float(_frames(data, head, is_own_only=True).weight.sum()) / float(synthetic.weight.sum())
        weighted = _Weighted(synthetic.features, synthetic.mouth, synthetic.weight * scale)
        per_head.append(_joined([_frames(data, head), weighted]))
    return _solved(net, per_head, [penalty])[0]


@torch.no_grad()
def mouths_of(net: SpeechEncoder, sample: HeadSample) -> Tensor:
    """(4, n, 14) in 0..1, per look-ahead."""
    return torch.stack([_outputs(net, sample.features[head], head).clamp(0, 1) for head in range(N_HEADS)])


def head_error(net: SpeechEncoder, samples: Sequence[HeadSample]) -> float:
    """Mean over samples of the mean squared error over all look-aheads."""
    return float(np.mean([float((mouths_of(net, one) - one.mouth).square().mean()) for one in samples]))


def importance_of(mouth: Tensor, boost: float) -> Tensor:
    """(n,) float64: 1, and `boost` more where the lips close between open mouths, as in p, b and m.

    Args:
        mouth: (n, 14) at 25 fps.
        boost: additional weight.
    """
    gap_mm = mouth.double() @ torch.from_numpy(OPENING_MM).double()
    around = torch.nn.functional.max_pool1d(gap_mm[None], 2 * SEALED_PICTURES + 1, 1, SEALED_PICTURES)[0]
    return 1 + boost * ((gap_mm < SEALED_MM) & (around > OPEN_MM)).double()


def _outputs(net: SpeechEncoder, features: Tensor, head: int) -> Tensor:
    rows = slice(head * N_MOUTH, (head + 1) * N_MOUTH)
    assert net.mouth.bias is not None  # noqa: S101
    return features @ net.mouth.weight.detach()[rows, :, 0].T + net.mouth.bias.detach()[rows]


def _frames(data: HeadData, head: int, *, is_own_only: bool = False) -> _Weighted:
    own = [
        _Weighted(one.features[head].double(), one.mouth.double(), importance_of(one.mouth, data.sealed_boost))
        for one in data.own
    ]
    quiet = [] if is_own_only else [_equal(one.features[head], one.mouth) for one in data.quiet]
    n_quiet = sum(len(one.weight) for one in quiet)
    total = data.quiet_share * sum(float(one.weight.sum()) for one in own)
    return _joined([*own, *(_Weighted(one.features, one.mouth, one.weight * total / n_quiet) for one in quiet)])


def _aligned(net: SpeechEncoder, data: HeadData, head: int, options: SoftDtwOptions) -> _Weighted:
    """Synthetic voices with the person's mouths where soft-DTW aligns them."""
    features = [one.features[head] for one in data.synthetic]
    predicted = [_outputs(net, one, head).clamp(0, 1) for one in features]
    mouths = [one.mouth for one in data.synthetic]
    n, m = (torch.tensor([len(one) for one in both]) for both in (predicted, mouths))
    padded = [pad_sequence(both, batch_first=True) for both in (predicted, mouths)]
    found = soft_alignment(padded[0], padded[1], n, m, options)
    pieces = []
    for k, one in enumerate(features):
        alignment = found[k, : len(one), : len(mouths[k])].double()
        weight = alignment.sum(1)
        pieces.append(_Weighted(one.double(), alignment @ mouths[k].double() / weight[:, None], weight))
    return _joined(pieces)


def _equal(features: Tensor, mouth: Tensor) -> _Weighted:
    return _Weighted(features.double(), mouth.double(), torch.ones(len(mouth), dtype=torch.float64))


def _joined(parts: Sequence[_Weighted]) -> _Weighted:
    return _Weighted(
        torch.cat([one.features for one in parts]),
        torch.cat([one.mouth for one in parts]),
        torch.cat([one.weight for one in parts]),
    )


def _solved(net: SpeechEncoder, per_head: Sequence[_Weighted], penalties: Iterable[float]) -> list[SpeechEncoder]:
    nets = {penalty: copy.deepcopy(net) for penalty in penalties}
    for head, frames in enumerate(per_head):
        rows = slice(head * N_MOUTH, (head + 1) * N_MOUTH)
        weight = frames.weight / frames.weight.sum()
        error = frames.mouth - _outputs(net, frames.features.float(), head).double()
        mean_x, mean_e = weight @ frames.features, weight @ error
        centred = (frames.features - mean_x) * weight.sqrt()[:, None]
        gram = centred.T @ centred
        moment = centred.T @ ((error - mean_e) * weight.sqrt()[:, None])
        one = torch.eye(len(gram), dtype=gram.dtype)
        for penalty, result in nets.items():
            change = torch.linalg.solve(gram + penalty * gram.trace() / len(gram) * one, moment)
            assert result.mouth.bias is not None  # noqa: S101
            result.mouth.weight.data[rows, :, 0] += change.T.float()
            result.mouth.bias.data[rows] += (mean_e - mean_x @ change).float()
    return list(nets.values())
