"""Batches for the speech encoder: random segments at random tempo, with mouth and phones at each look-ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.augmentation import AugmentationRanges, augment
from avatar_app.studio.data.mel import N_BINS
from avatar_app.studio.data.speech_corpus import Corpus, Utterance
from avatar_app.studio.mouth import CURVE_HZ, REST

LOOKAHEADS_S = np.array(LOOKAHEADS_MS) / 1000.0


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Size and composition of a batch.

    Attributes:
        n_examples: segments in a batch.
        n_outputs: outputs per segment and look-ahead.
        window_columns: mel columns in the window of one output.
        step_columns: mel columns from one output to the next.
        synthetic_ratio: share of segments with a synthetic voice.
        quiet_ratio: share of segments without speech.
        tempo: range of mel columns of the recording per column of the segment.
        augmentation: ranges of the augmentation.
    """

    n_examples: int = 16
    n_outputs: int = 128
    window_columns: int = 64
    step_columns: int = 2
    synthetic_ratio: float = 0.15
    quiet_ratio: float = 0.08
    tempo: tuple[float, float] = (0.85, 1.2)
    augmentation: AugmentationRanges = field(default_factory=AugmentationRanges)

    @property
    def n_columns(self) -> int:
        """Mel columns of a segment."""
        return self.window_columns + self.step_columns * (self.n_outputs - 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of the speech encoder, and its targets.

    Attributes:
        mel: (B, 1, 80, n_columns) float32 in -4..4.
        mouth: (B, 4, 14, n_outputs) float32, per look-ahead.
        phones: (B, 4, n_outputs) int64, index into `mouth.PHONES`.
        trust: (B,) float32, weight of each segment in the loss.
    """

    mel: Tensor
    mouth: Tensor
    phones: Tensor
    trust: Tensor

    def part(self, segments: slice) -> Batch:
        """Some of the segments."""
        return Batch(self.mel[segments], self.mouth[segments], self.phones[segments], self.trust[segments])


def draw_batch(corpus: Corpus, plan: BatchPlan, rng: np.random.Generator) -> Batch:
    """A random batch of augmented voices; `rng` is the only source of randomness."""
    n = plan.n_examples
    magnitudes = np.zeros((n, plan.n_columns, N_BINS), dtype=np.float32)
    mouth = np.empty((n, len(LOOKAHEADS_S), N_MOUTH, plan.n_outputs), dtype=np.float32)
    phones = np.empty((n, len(LOOKAHEADS_S), plan.n_outputs), dtype=np.int64)
    trust = np.ones(n, dtype=np.float32)
    for i in range(n):
        utterance, positions = _random_segment(corpus, plan, rng)
        if utterance is not None:
            magnitudes[i] = columns_at(utterance.magnitudes, positions)
            trust[i] = utterance.trust
        mouth[i], phones[i] = targets_at(utterance, positions, plan)
    noise = np.stack([_random_columns(corpus.quiet, plan.n_columns, rng) for _ in range(n)])
    babble = np.stack([_babble(corpus.real, plan.n_columns, rng) for _ in range(n)])
    voices, noises, others = (torch.from_numpy(x) for x in (magnitudes, noise, babble))
    mel = augment(voices, noises, others, rng, plan.augmentation)
    return Batch(mel[:, None], torch.from_numpy(mouth), torch.from_numpy(phones), torch.from_numpy(trust))


def columns_at(magnitudes: NDArray[np.float16], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Magnitudes at fractional columns, by linear interpolation; silence outside the recording."""
    first = int(np.floor(positions[0]))
    last = int(np.floor(positions[-1])) + 2
    segment = np.zeros((last - first, N_BINS), dtype=np.float32)
    low, high = max(first, 0), min(last, len(magnitudes))
    if high > low:
        segment[low - first : high - first] = magnitudes[low:high]
    lower = np.floor(positions).astype(np.int64) - first
    share = (positions - np.floor(positions)).astype(np.float32)[:, None]
    return np.asarray(segment[lower] + share * (segment[lower + 1] - segment[lower]), dtype=np.float32)


def targets_at(
    utterance: Utterance | None, positions: NDArray[np.float64], plan: BatchPlan
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mouth (4, 14, n_outputs) and phones (4, n_outputs) at the newest column of each window less the look-ahead."""
    newest = positions[plan.window_columns - 1 :: plan.step_columns]
    tempo = float(positions[1] - positions[0])
    mouth = np.empty((len(LOOKAHEADS_S), N_MOUTH, len(newest)), dtype=np.float32)
    phones = np.zeros((len(LOOKAHEADS_S), len(newest)), dtype=np.int64)
    for i, lookahead_s in enumerate(LOOKAHEADS_S):
        t_s = newest / MEL.columns_per_s - lookahead_s * tempo
        if utterance is None:
            mouth[i] = REST[:, None]
        else:
            mouth[i], phones[i] = mouth_at(utterance, t_s)
    return mouth, phones


def mouth_at(utterance: Utterance, t_s: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mouth (14, N) and phones (N,) at instants; at rest and silent outside the recording."""
    at = t_s * CURVE_HZ - 0.5
    n = len(utterance.mouth)
    is_inside = (at >= 0) & (at <= n - 1)
    lower = np.clip(np.floor(at).astype(np.int64), 0, n - 2)
    share = np.clip(at - lower, 0.0, 1.0).astype(np.float32)[:, None]
    mouth = utterance.mouth[lower] * (1 - share) + utterance.mouth[lower + 1] * share
    phones = np.where(is_inside, utterance.phones[np.clip(np.round(at).astype(np.int64), 0, n - 1)], 0)
    return np.asarray(np.where(is_inside[:, None], mouth, REST).T, dtype=np.float32), phones


def _random_segment(
    corpus: Corpus, plan: BatchPlan, rng: np.random.Generator
) -> tuple[Utterance | None, NDArray[np.float64]]:
    """An utterance, or None for silence, and the columns of the recording in the segment."""
    tempo = float(np.exp(rng.uniform(*np.log(plan.tempo))))
    positions = np.arange(plan.n_columns, dtype=np.float64) * tempo
    kind = rng.uniform()
    if kind < plan.quiet_ratio:
        return None, positions
    is_synthetic = kind < plan.quiet_ratio + plan.synthetic_ratio and len(corpus.synthetic) > 0
    pool = corpus.synthetic if is_synthetic else corpus.real
    utterance = pool[int(rng.integers(len(pool)))]
    first = rng.uniform(-plan.window_columns, max(0.0, len(utterance.magnitudes) - positions[-1]))
    return utterance, positions + first


def _random_columns(pool: Sequence[Utterance], n_columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    magnitudes = pool[int(rng.integers(len(pool)))].magnitudes
    first = int(rng.integers(max(1, len(magnitudes) - n_columns)))
    return columns_at(magnitudes, np.arange(first, first + n_columns, dtype=np.float64))


def _babble(pool: Sequence[Utterance], n_columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Three speakers at once; their powers add."""
    power = sum(np.square(_random_columns(pool, n_columns, rng)) for _ in range(3))
    return np.asarray(np.sqrt(power), dtype=np.float32)
