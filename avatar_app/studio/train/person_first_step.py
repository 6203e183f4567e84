"""The first step of the adaptation of the speech encoder: its last layer, fitted to a person."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import mel_from_magnitudes
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions
from avatar_app.studio.mouth import CURVE_HZ, REST
from avatar_app.studio.nets.speech_encoder import SpeechEncoder
from avatar_app.studio.train.person_data import (
    PICTURES_PER_S,
    SyntheticSentence,
    at_pictures,
    padded_magnitudes,
)
from avatar_app.studio.train.person_head import (
    PENALTIES,
    HeadData,
    HeadSample,
    LinearLayer,
    fit_aligned,
    fit_head,
    fit_truncated,
    head_error,
)

# Weights of the synthetic voices to choose from.
SYNTHETIC_SHARES = (0.3, 1.0)
N_HEADS = len(LOOKAHEADS_MS)
_QUIET_PICTURES = 100
_CHUNK = 4


@dataclass(frozen=True, slots=True)
class FirstStep:
    """What the validation sentences chose.

    Attributes:
        penalty: see `fit_head`.
        synthetic_share: weight of all synthetic voices, relative to the person's own; 0 for none.
    """

    penalty: float
    synthetic_share: float


@torch.no_grad()
def features_of(
    net: SpeechEncoder, sounds: Sequence[NDArray[np.float16]], n_pictures: Sequence[int]
) -> list[list[Tensor]]:
    """Features before the last layer: for each look-ahead, one (n, width) per sound, at 25 fps.

    Args:
        net: in evaluation mode.
        sounds: (T, 401) magnitudes of each.
        n_pictures: length of each at 25 fps.
    """
    per_head: list[list[Tensor]] = [[] for _ in LOOKAHEADS_MS]
    for k in range(0, len(sounds), _CHUNK):
        mel = mel_from_magnitudes(padded_magnitudes(sounds[k : k + _CHUNK], net.window_columns))
        for row, n in zip(net.features(mel[:, None]), n_pictures[k:], strict=False):
            for found, ms in zip(per_head, LOOKAHEADS_MS, strict=True):
                found.append(at_pictures(row, n, ms).T.contiguous())
    return per_head


def own_samples(net: SpeechEncoder, utterances: Sequence[Utterance]) -> list[list[HeadSample]]:
    """Features of utterances with their mouths, per look-ahead."""
    step = CURVE_HZ // PICTURES_PER_S
    # Curve value k lies at (k + 0.5) / 100 s: the middle of picture 0 lies between values 1 and 2.
    middles = [(u.mouth[1::step] + u.mouth[2::step]) / 2 for u in utterances]
    mouths = [torch.from_numpy(np.ascontiguousarray(middle, dtype=np.float32)) for middle in middles]
    return _paired(features_of(net, [u.magnitudes for u in utterances], [len(one) for one in mouths]), mouths)


def quiet_samples(net: SpeechEncoder, utterances: Sequence[Utterance]) -> list[list[HeadSample]]:
    """Features of the first seconds of sounds without speech, with the mouth at rest, per look-ahead."""
    rest = torch.from_numpy(np.tile(REST, (_QUIET_PICTURES, 1)))
    n_columns = _QUIET_PICTURES * MEL.columns_per_s // PICTURES_PER_S
    sounds = [u.magnitudes[: int(n_columns)] for u in utterances]
    return _paired(features_of(net, sounds, [_QUIET_PICTURES] * len(sounds)), [rest] * len(sounds))


def synthetic_samples(net: SpeechEncoder, sentences: Sequence[SyntheticSentence]) -> list[list[HeadSample]]:
    """Features of synthetic voices with the person's motion, which is not aligned, per look-ahead."""
    found = features_of(net, [one.magnitudes for one in sentences], [one.n_pictures for one in sentences])
    return _paired(found, [torch.from_numpy(one.mouth) for one in sentences])


def fit_first_step(
    published: SpeechEncoder,
    data: Sequence[HeadData],
    held_out: Sequence[Sequence[HeadSample]],
    options: SoftDtwOptions | None,
) -> tuple[SpeechEncoder, FirstStep]:
    """The published network with its last layer fitted to the person.

    Args:
        published: the network.
        data: per look-ahead.
        held_out: sentences that choose penalty and weight of the synthetic voices, per look-ahead.
        options: of soft-DTW; None truncates synthetic voices instead (baseline).
    """
    layers = [layer_of(published, head) for head in range(N_HEADS)]
    fitted = [fit_head(layer, one, PENALTIES) for layer, one in zip(layers, data, strict=True)]
    found = [
        (_error(heads, held_out), FirstStep(p, 0.0), heads)
        for p, heads in zip(PENALTIES, zip(*fitted, strict=True), strict=True)
    ]
    found = [min(found, key=lambda one: one[0])]
    _, chosen, start = found[0]
    for share in SYNTHETIC_SHARES if data[0].synthetic else ():
        heads = tuple(
            fit_truncated(layer, one, chosen.penalty, share)
            if options is None
            else fit_aligned(layer, first, one, chosen.penalty, share, options)
            for layer, first, one in zip(layers, start, data, strict=True)
        )
        found.append((_error(heads, held_out), FirstStep(chosen.penalty, share), heads))
    _, chosen, best = min(found, key=lambda one: one[0])
    return with_layers(published, best), chosen


def layer_of(net: SpeechEncoder, head: int) -> LinearLayer:
    """The last layer of one look-ahead."""
    rows = slice(head * N_MOUTH, (head + 1) * N_MOUTH)
    assert net.mouth.bias is not None  # noqa: S101
    return LinearLayer(net.mouth.weight.detach()[rows, :, 0].clone(), net.mouth.bias.detach()[rows].clone())


@torch.no_grad()
def with_layers(net: SpeechEncoder, layers: Sequence[LinearLayer]) -> SpeechEncoder:
    """A copy of a network with other last layers."""
    result = copy.deepcopy(net)
    assert result.mouth.bias is not None  # noqa: S101
    result.mouth.weight.copy_(torch.cat([layer.weight for layer in layers])[:, :, None])
    result.mouth.bias.copy_(torch.cat([layer.bias for layer in layers]))
    return result


def _error(layers: Sequence[LinearLayer], held_out: Sequence[Sequence[HeadSample]]) -> float:
    return float(np.mean([head_error(layer, samples) for layer, samples in zip(layers, held_out, strict=True)]))


def _paired(per_head: Sequence[Sequence[Tensor]], mouths: Sequence[Tensor]) -> list[list[HeadSample]]:
    return [[HeadSample(x, y) for x, y in zip(head, mouths, strict=True)] for head in per_head]
