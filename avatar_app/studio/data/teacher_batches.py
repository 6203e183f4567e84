"""Data of the offline speech teacher: utterances with their features, and random segments of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.studio.data.speech_corpus import Recording
from avatar_app.studio.data.teacher_inputs import teacher_inputs
from avatar_app.studio.data.utterances import Utterance, read_16khz
from avatar_app.studio.nets.offline_teacher import VALUES_PER_ROW


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """An utterance with the inputs of the teacher.

    Attributes:
        inputs: (T, C) float16, a row per 20 ms.
        utterance: with mouth and phones at 100 Hz.
    """

    inputs: NDArray[np.float16]
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class TeacherSegments:
    """A batch.

    Attributes:
        inputs: (B, n_rows, C) float32.
        mouth: (B, 1, 14, 2 n_rows) float32.
        phones: (B, 1, 2 n_rows) int64.
        trust: (B,) float32.
    """

    inputs: Tensor
    mouth: Tensor
    phones: Tensor
    trust: Tensor


def hear(
    recordings: Iterable[Recording], utterances: Iterable[Utterance], names: Sequence[str], cache: Path
) -> list[HeardUtterance]:
    """Add the features to utterances.

    Args:
        recordings: among them those of the utterances.
        utterances: whose sounds these are.
        names: of the features.
        cache: folder of computed features.

    Raises:
        StudioError: a recording cannot be read.
    """
    files = {recording.name: recording.file for recording in recordings}
    return [
        HeardUtterance(teacher_inputs(read_16khz(files[u.name]), names, cache).astype(np.float16), u)
        for u in utterances
    ]


def moments(heard: Sequence[HeardUtterance]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the inputs, (C,) float32 each."""
    rows = np.concatenate([h.inputs[::5] for h in heard]).astype(np.float32)
    return torch.from_numpy(rows.mean(0)), torch.from_numpy(rows.std(0))


def draw_segments(
    heard: Sequence[HeardUtterance], n_examples: int, n_rows: int, mask_ratio: float, rng: np.random.Generator
) -> TeacherSegments:
    """Random segments; utterances that are shorter repeat their last row.

    Args:
        heard: the utterances.
        n_examples: segments in the batch.
        n_rows: rows of a segment.
        mask_ratio: share of the rows whose inputs are replaced by the mean of the segment, in pieces of 5 rows.
        rng: the only source of randomness.
    """
    chosen = [heard[int(i)] for i in rng.integers(len(heard), size=n_examples)]
    firsts = [int(rng.integers(max(1, len(h.inputs) - n_rows + 1))) for h in chosen]
    rows = [
        np.minimum(np.arange(first, first + n_rows), len(h.inputs) - 1) for h, first in zip(chosen, firsts, strict=True)
    ]
    inputs = np.stack([h.inputs[r] for h, r in zip(chosen, rows, strict=True)]).astype(np.float32)
    is_masked = np.repeat(rng.uniform(size=(n_examples, n_rows // 5 + 1)) < mask_ratio, 5, axis=1)[:, :n_rows]
    inputs = np.where(is_masked[..., None], inputs.mean(1, keepdims=True), inputs)
    pairs = [_targets(h.utterance, r) for h, r in zip(chosen, rows, strict=True)]
    return TeacherSegments(
        torch.from_numpy(inputs),
        torch.from_numpy(np.stack([mouth.T for mouth, _ in pairs])[:, None]),
        torch.from_numpy(np.stack([phones for _, phones in pairs])[:, None]),
        torch.tensor([h.utterance.trust for h in chosen], dtype=torch.float32),
    )


def _targets(utterance: Utterance, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    at = (rows[:, None] * VALUES_PER_ROW + np.arange(VALUES_PER_ROW)).ravel()
    at = np.minimum(at, len(utterance.mouth) - 1)
    return utterance.mouth[at], utterance.phones[at]
