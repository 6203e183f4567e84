"""Scores of a speech encoder on held-out speakers: correlation of its mouth curves with the ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.mel_spec import MEL
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import mel_from_magnitudes
from avatar_app.studio.data.speech_batches import mouth_at
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.metrics.scores import LOOKS_CLOSED_MM, correlation
from avatar_app.studio.mouth import JAW
from avatar_app.studio.nets.speech_encoder import STEP_COLUMNS
from avatar_app.studio.train.speech_losses import SEALED_INDICES

# Silence after an utterance.
_PAD_COLUMNS = 16


class MouthPredictor(Protocol):
    """A network from mel columns to the mouth at all look-aheads."""

    @property
    def window_columns(self) -> int:
        """Mel columns in the receptive field of one output."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Its weights."""
        ...

    def __call__(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, T) -> (B, 4, 14, N)."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """Prediction and ground truth for one utterance, at the same instants.

    Attributes:
        name: of the utterance.
        predicted: (4, 14, N) float32, clipped to 0..1, by look-ahead.
        ground_truth: (4, 14, N) float32.
        phones: (4, N) int64.
    """

    name: str
    predicted: NDArray[np.float32]
    ground_truth: NDArray[np.float32]
    phones: NDArray[np.int64]


@torch.no_grad()
def predict(net: MouthPredictor, utterance: Utterance, gain_db: float = 0.0) -> Prediction:
    """Run a network in evaluation mode over a whole utterance, with silence before it."""
    window = net.window_columns
    rows = torch.from_numpy(utterance.magnitudes.astype(np.float32)) * 10 ** (gain_db / 20)
    silence = torch.zeros(window - 1, rows.shape[1])
    mel = mel_from_magnitudes(torch.cat([silence, rows, torch.zeros(_PAD_COLUMNS, rows.shape[1])]))
    device = next(net.parameters()).device
    predicted = net(mel[None, None].to(device))[0].clamp(0, 1).cpu().numpy()
    newest_s = np.arange(predicted.shape[-1]) * STEP_COLUMNS / MEL.columns_per_s
    pairs = [mouth_at(utterance, newest_s - ms / 1000) for ms in LOOKAHEADS_MS]
    return Prediction(utterance.name, predicted, np.stack([m for m, _ in pairs]), np.stack([p for _, p in pairs]))


def score_voices(predictions: Sequence[Prediction], opening_mm: NDArray[np.float32]) -> dict[str, float]:
    """Scores by look-ahead.

    Args:
        predictions: one per utterance.
        opening_mm: (14,) lip gap per unit of each parameter.

    Returns:
        For L in 0, 40, 80, 160: `opening_L` and `jaw_L` (mean correlation over utterances), `opening_pooled_L`,
        `all_L` (mean correlation over parameters that move), `gap_error_L` (mean error of the lip gap in mm),
        `sealed_L` (share of p, b, m whose lips close).
    """
    return {
        f"{name}_{ms}": score
        for head, ms in enumerate(LOOKAHEADS_MS)
        for name, score in score_head(predictions, head, opening_mm).items()
    }


def score_head(predictions: Sequence[Prediction], head: int, opening_mm: NDArray[np.float32]) -> dict[str, float]:
    """The scores of `score_voices` for one head, without the look-ahead in their names."""
    gaps = [np.tensordot(opening_mm, p.predicted[head], 1) for p in predictions]
    true_gaps = [np.tensordot(opening_mm, p.ground_truth[head], 1) for p in predictions]
    jaws = [correlation(p.predicted[head, JAW], p.ground_truth[head, JAW]) for p in predictions]
    all_gaps, all_true_gaps = np.concatenate(gaps), np.concatenate(true_gaps)
    return {
        "opening": float(np.mean([correlation(a, b) for a, b in zip(gaps, true_gaps, strict=True)])),
        "jaw": float(np.mean(jaws)),
        "opening_pooled": correlation(all_gaps, all_true_gaps),
        "all": _over_parameters(predictions, head),
        "gap_error": float(np.abs(all_gaps - all_true_gaps).mean()),
        "sealed": _sealed_ratio([(p.phones[head], gap) for p, gap in zip(predictions, gaps, strict=True)]),
    }


def motion_mm(predictions: Sequence[Prediction], head: int, opening_mm: NDArray[np.float32]) -> float:
    """Mean absolute change of the lip gap in mm over 25 ms."""
    moves = [np.abs(np.diff(np.tensordot(opening_mm, p.predicted[head], 1))) for p in predictions]
    return float(np.concatenate(moves).mean())


def _over_parameters(predictions: Sequence[Prediction], head: int) -> float:
    predicted = np.concatenate([p.predicted[head] for p in predictions], axis=1)
    ground_truth = np.concatenate([p.ground_truth[head] for p in predictions], axis=1)
    pairs = zip(predicted, ground_truth, strict=True)
    return float(np.mean([correlation(a, b) for a, b in pairs if b.std() > 1e-3]))


def _sealed_ratio(voices: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> float:
    """Share of p, b, m during which (or one step beside it) the lips close."""
    n_closed = n_all = 0
    for phones, gap_mm in voices:
        is_sealed = np.concatenate([[False], np.isin(phones, SEALED_INDICES), [False]])
        edges = np.flatnonzero(np.diff(is_sealed.astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            n_closed += int(gap_mm[max(0, start - 1) : end + 1].min() < LOOKS_CLOSED_MM)
            n_all += 1
    return n_closed / max(1, n_all)
