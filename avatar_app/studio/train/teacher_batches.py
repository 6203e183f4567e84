"""Batches with teacher outputs, in a pool from which several steps are trained."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avatar_app.studio import arithmetic
from avatar_app.studio.data.av_clips import AvBatch, draw_av_batch
from avatar_app.studio.data.dataset import Dataset
from avatar_app.studio.data.faces import face_of
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.joint_config import JointConfig
from avatar_app.studio.train.loop import step_generator

POOL_SEED = 1_000_000_007


@dataclass(frozen=True, slots=True)
class TeacherBatch:
    """A batch of segments with the teacher outputs for them.

    Attributes:
        clips: sounds and pictures.
        lookaheads_ms: of each segment.
        pictures: (B * n, 3, 48, 96) float32, the teacher's pictures; None without a teacher.
        features: the teacher's seven decoder features, once for each segment; empty without a teacher.
    """

    clips: AvBatch
    lookaheads_ms: Sequence[int]
    pictures: Tensor | None = None
    features: Sequence[Tensor] = ()

    def at_lookaheads(self, lookaheads_ms: Sequence[int]) -> TeacherBatch:
        """Repeat a batch with one look-ahead for each of several look-aheads."""
        n, clips = len(lookaheads_ms), self.clips
        parts = (clips.mel, clips.pictures, clips.mouth)
        return TeacherBatch(
            AvBatch(*(torch.cat([part] * n) for part in parts)),
            [ms for ms in lookaheads_ms for _ in clips.mel],
            None if self.pictures is None else torch.cat([self.pictures] * n),
            self.features,
        )


class TeacherBatchPool:
    """A pool of batches; batch k is the same in every run.

    Args:
        dataset: sounds and pictures.
        config: sizes.
        seed: of all randomness in the batches.
        teacher: computes the teacher outputs; None for none.
    """

    def __init__(self, dataset: Dataset, config: JointConfig, seed: int, teacher: Teacher | None = None) -> None:
        self._dataset, self._config, self._seed = dataset, config, seed
        self._pool: deque[TeacherBatch] = deque(maxlen=config.pool_batches)
        self._n_made = 0
        self._teacher = teacher.to(parallel.device()) if teacher is not None else None
        with torch.no_grad():
            face = face_of(dataset.rest).to(parallel.device())
            self._face_features = self._teacher.encode_face(face) if self._teacher is not None else []

    def draw(self, index: int, rng: np.random.Generator) -> TeacherBatch:
        """This process's share of a random batch for a step."""
        self._refill(index // self._config.steps_per_batch + self._config.pool_batches)
        return self._pool[int(rng.integers(len(self._pool)))].at_lookaheads(self._config.lookaheads_ms)

    def _refill(self, n_wanted: int) -> None:
        """Make batches up to a number, without those that have left the pool by then."""
        config, data = self._config, self._dataset
        for k in range(max(self._n_made, n_wanted - config.pool_batches), n_wanted):
            rng = step_generator(self._seed, POOL_SEED + k)
            clips = draw_av_batch(
                data.train, data.sampling_weights, data.corpus, config.n_clips, config.n_pictures, rng,
                config.augmentation,
            )  # fmt: skip
            self._pool.append(self._with_teacher(clips.part(parallel.share(config.n_clips), parallel.device())))
        self._n_made = max(self._n_made, n_wanted)

    @torch.no_grad()
    def _with_teacher(self, clips: AvBatch) -> TeacherBatch:
        """Add the teacher outputs to a batch."""
        lookaheads_ms = [TEACHER_LOOKAHEAD_MS] * len(clips.mel)
        if self._teacher is None:
            return TeacherBatch(clips, lookaheads_ms)
        windows = clips.mel_windows(lookaheads_ms)
        with arithmetic.autocast(parallel.device()):
            code = self._teacher.audio_encoder(windows)
            features = self._teacher.decoder_features(code, self._face_features)
            pictures = self._teacher.to_picture(features)
        return TeacherBatch(clips, lookaheads_ms, pictures.float(), features)
