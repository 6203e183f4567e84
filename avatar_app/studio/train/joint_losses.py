"""The loss terms of joint training.

Reconstruction, sync and visual quality are weighted as Wav2Lip's authors do (arXiv 2008.10010):
(1 - w_s - w_q) L1 + w_s sync + w_q quality, where w_s is 0 until the held-out sync loss is low enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from avatar_app.studio.data.av_clips import AvBatch, UInt8
from avatar_app.studio.data.dataset import Dataset
from avatar_app.studio.data.faces import MOUTH_COLUMNS, MOUTH_ROWS
from avatar_app.studio.metrics.generators import fit_reader
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.discriminator import QualityDiscriminator
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.nets.feature_distillation import FeatureProjections
from avatar_app.studio.train.generator_decoder import pixel_weight, sharp_l1
from avatar_app.studio.train.joint_config import JointConfig
from avatar_app.studio.train.teacher_batches import TeacherBatch

# A smaller lip gap counts as closed, unless the mouth is at rest.
SEALED_MM = 1.0
REST_DISTANCE = 0.02
SAMPLE_SEED = 2
N_WEIGHT_PICTURES = 400


class SyncSchedule(nn.Module):
    """Whether the sync term is on; a buffer, so that checkpoints contain it."""

    is_open: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("is_open", torch.zeros(()))


@dataclass(frozen=True)
class LossNetworks:
    """The networks of the loss terms; None where a term is not used.

    Attributes:
        expert: the sync expert.
        discriminator: of visual quality.
        projections: of the decoder features to the teacher's.
    """

    expert: SyncExpert | None = None
    discriminator: QualityDiscriminator | None = None
    projections: FeatureProjections | None = None


class JointLoss:
    """Computes the loss of a batch and its parts.

    Args:
        dataset: determines the weight of each pixel and the lip gap in pictures.
        config: weights.
        networks: those that the loss terms use.
        device: of the batches.
    """

    def __init__(self, dataset: Dataset, config: JointConfig, networks: LossNetworks, device: torch.device) -> None:
        self.schedule = SyncSchedule()
        self._config, self._networks = config, networks
        self._weight = pixel_weight(_training_pictures(dataset)).to(device)
        self._opening_mm = torch.from_numpy(dataset.opening_mm).to(device)
        self.gap = _gap_picture(dataset).to(device) if config.closing_weight else None

    def parts(self, batch: TeacherBatch, pictures: Tensor, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """The loss under `loss`, and its terms without their weights.

        Args:
            batch: inputs and targets.
            pictures: (B * n, 3, 48, 96) float32, generated for the batch.
            features: the decoder features of these pictures.
        """
        config, weights = self._config, self._config.loss_weights
        w_sync = weights.sync * float(self.schedule.is_open)
        terms = {"pixels": (1 - w_sync - weights.quality, self.pixels(batch, pictures))}
        if w_sync:
            terms["sync"] = (w_sync, self.sync(batch.clips, pictures))
        if self._networks.discriminator is not None:
            terms["quality"] = (weights.quality, self.quality(pictures))
        if config.velocity_weight:
            terms["velocity"] = (config.velocity_weight, self.velocity(pictures, batch.clips))
        if self.gap is not None:
            error = pictures - batch.clips.pictures.flatten(0, 1)
            terms["closing"] = (config.closing_weight, self.closing(error, self.gap, batch.clips))
        if self._networks.projections is not None:
            terms["features"] = (weights.features, self.features(features, batch.features))
        first, *others = (weight * value for weight, value in terms.values())
        return {"loss": sum(others, start=first), **{name: value for name, (_, value) in terms.items()}}

    def pixels(self, batch: TeacherBatch, pictures: Tensor) -> Tensor:
        """Weighted L1 to the ground truth and to the teacher's pictures."""
        weights, weight = self._config.loss_weights, self._weight * self._picture_weights(batch.clips)
        loss = weights.ground_truth * sharp_l1(pictures, batch.clips.pictures.flatten(0, 1), weight)
        if batch.pictures is not None and weights.teacher_outputs:
            loss = loss + weights.teacher_outputs * sharp_l1(pictures, batch.pictures, weight)
        return loss

    def sync(self, clips: AvBatch, pictures: Tensor) -> Tensor:
        """Binary cross entropy of the expert's cosines of matching pairs."""
        expert = self._networks.expert
        assert expert is not None  # noqa: S101  checked when the task was made
        stacks = replace(clips, pictures=pictures.view(clips.pictures.shape)).expert_pictures().flatten(0, 1)
        cosine = expert(clips.expert_windows().flatten(0, 1), stacks).clamp(1e-4, 1 - 1e-4)
        return binary_cross_entropy(cosine, torch.ones_like(cosine))

    def quality(self, pictures: Tensor) -> Tensor:
        """Binary cross entropy of the discriminator's answers to generated pictures."""
        assert self._networks.discriminator is not None  # noqa: S101
        logits = self._networks.discriminator(pictures)
        return binary_cross_entropy_with_logits(logits, torch.ones_like(logits))

    def features(self, features: Sequence[Tensor], teacher_features: Sequence[Tensor]) -> Tensor:
        """Distance of the projected decoder features to the teacher's, at the last look-ahead."""
        assert self._networks.projections is not None  # noqa: S101
        # The last look-ahead is the teacher's own; with less, its features cannot be predicted.
        n = len(teacher_features[0])
        distance: Tensor = self._networks.projections([level[-n:] for level in features], teacher_features)
        return distance

    def velocity(self, pictures: Tensor, clips: AvBatch) -> Tensor:
        """Weighted L1 of the change between consecutive pictures; penalizes jitter."""
        error = pictures.view(clips.pictures.shape) - clips.pictures
        return (self._weight * error.diff(dim=1).abs()).mean()

    def closing(self, error: Tensor, gap: Tensor, clips: AvBatch) -> Tensor:
        """Mean lip gap in mm where speech closes the lips; the error of open lips has no effect."""
        read_mm = (error[:, :, MOUTH_ROWS, MOUTH_COLUMNS] * gap).sum((1, 2, 3))
        return (self._is_sealed(clips) * read_mm.clamp_min(0)).mean()

    def _picture_weights(self, clips: AvBatch) -> Tensor:
        """Weight of each picture, (B * n, 1, 1, 1)."""
        return (1 + (self._config.sealed_weight - 1) * self._is_sealed(clips))[:, None, None, None]

    def _is_sealed(self, clips: AvBatch) -> Tensor:
        """1 where speech closes the lips, else 0; (B * n,)."""
        mouth = clips.mouth.flatten(0, 1)
        is_at_rest = (mouth - torch.from_numpy(REST).to(mouth)).abs().amax(1) < REST_DISTANCE
        return ((mouth @ self._opening_mm < SEALED_MM) & ~is_at_rest).float()


def _training_pictures(dataset: Dataset) -> UInt8:
    """Random training pictures as whole faces, (n, 96, 96, 3), to measure the variance of each pixel."""
    rng = np.random.default_rng(SAMPLE_SEED)
    odds = dataset.sampling_weights / dataset.sampling_weights.sum()
    clips = [dataset.train[int(k)] for k in rng.choice(len(dataset.train), N_WEIGHT_PICTURES, p=odds)]
    halves = np.stack([clip.pictures[int(rng.integers(len(clip.pictures)))] for clip in clips])
    return np.concatenate((np.zeros_like(halves), halves), axis=1)


def _gap_picture(dataset: Dataset) -> Tensor:
    """(3, 32, 48): millimetres of lip gap per unit of each value of a picture of the mouth."""
    height, width = MOUTH_ROWS.stop - MOUTH_ROWS.start, MOUTH_COLUMNS.stop - MOUTH_COLUMNS.start
    return torch.from_numpy(fit_reader(dataset).picture(height, width)).permute(2, 0, 1)
