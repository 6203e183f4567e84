"""How well a network hears voices that it never met: correlation of the mouth with the true curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app.contracts.mel_spec import MEL
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import mel_from_magnitudes
from avatar_app.studio.data.speech_batches import mouth_at
from avatar_app.studio.data.speech_corpus import Utterance
from avatar_app.studio.metrics.scores import LOOKS_CLOSED_MM, correlation
from avatar_app.studio.mouth import JAW, PHONES, SEALED
from avatar_app.studio.nets.speech_encoder import STEP_COLUMNS, SpeechNet

SEALED_INDICES = [PHONES.index(p) for p in SEALED]
# Rows at the start of a voice that count for nothing: the window still fills with silence there.
_PAD_COLUMNS = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """What a network says of one utterance, beside the truth, at the same instants.

    Attributes:
        name: of the utterance.
        said: (4, 14, N) float32, clipped to 0..1, by look-ahead.
        true: (4, 14, N) float32.
        phones: (4, N) int64.
    """

    name: str
    said: NDArray[np.float32]
    true: NDArray[np.float32]
    phones: NDArray[np.int64]


@torch.no_grad()
def hear(net: SpeechNet, utterance: Utterance, gain_db: float = 0.0) -> Heard:
    """Run a network in evaluation mode over a whole utterance, with silence before it."""
    window = net.shape.window_columns
    rows = torch.from_numpy(utterance.magnitudes.astype(np.float32)) * 10 ** (gain_db / 20)
    silence = torch.zeros(window - 1, rows.shape[1])
    mel = mel_from_magnitudes(torch.cat([silence, rows, torch.zeros(_PAD_COLUMNS, rows.shape[1])]))
    device = next(net.parameters()).device
    said = net(mel[None, None].to(device))[0].clamp(0, 1).cpu().numpy()
    newest_s = np.arange(said.shape[-1]) * STEP_COLUMNS / MEL.columns_per_s
    pairs = [mouth_at(utterance, newest_s - ms / 1000) for ms in LOOKAHEADS_MS]
    return Heard(utterance.name, said, np.stack([m for m, _ in pairs]), np.stack([p for _, p in pairs]))


def score_voices(heard: Sequence[Heard], opening_mm: NDArray[np.float32]) -> dict[str, float]:
    """Scores by look-ahead.

    Args:
        heard: one per voice.
        opening_mm: (14,) lip gap per unit of each parameter.

    Returns:
        For L in 0, 40, 80, 160: `opening_L` and `jaw_L` (mean correlation over voices), `opening_pooled_L`,
        `all_L` (mean correlation over parameters that move), `gap_error_L` (mean error of the lip gap in mm),
        `sealed_L` (share of p, b, m whose lips close).
    """
    scores: dict[str, float] = {}
    for i, ms in enumerate(LOOKAHEADS_MS):
        said, true = ([np.tensordot(opening_mm, curves[i], 1) for curves in pair] for pair in _pairs(heard))
        scores[f"opening_{ms}"] = float(np.mean([correlation(a, b) for a, b in zip(said, true, strict=True)]))
        scores[f"jaw_{ms}"] = float(np.mean([correlation(h.said[i, JAW], h.true[i, JAW]) for h in heard]))
        scores[f"opening_pooled_{ms}"] = correlation(np.concatenate(said), np.concatenate(true))
        scores[f"all_{ms}"] = _over_parameters(heard, i)
        scores[f"gap_error_{ms}"] = float(np.abs(np.concatenate(said) - np.concatenate(true)).mean())
        scores[f"sealed_{ms}"] = _sealed_ratio([(h.phones[i], gap) for h, gap in zip(heard, said, strict=True)])
    return scores


def motion_mm(heard: Sequence[Heard], head: int, opening_mm: NDArray[np.float32]) -> float:
    """How much the lip gap moves: mean absolute change in mm over 25 ms."""
    moves = [np.abs(np.diff(np.tensordot(opening_mm, h.said[head], 1))) for h in heard]
    return float(np.concatenate(moves).mean())


def _pairs(heard: Sequence[Heard]) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    return [h.said for h in heard], [h.true for h in heard]


def _over_parameters(heard: Sequence[Heard], head: int) -> float:
    said = np.concatenate([h.said[head] for h in heard], axis=1)
    true = np.concatenate([h.true[head] for h in heard], axis=1)
    return float(np.mean([correlation(a, b) for a, b in zip(said, true, strict=True) if b.std() > 1e-3]))


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
