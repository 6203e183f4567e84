"""Joint training: the whole generator from sound to pictures, with the loss terms that a configuration selects.

Teacher and student are trained by the same task with different configurations.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from avatar_app.contracts.errors import StudioError
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio import arithmetic
from avatar_app.studio.data.av_clips import AvBatch, UInt8, draw_av_batch
from avatar_app.studio.data.dataset import Dataset
from avatar_app.studio.data.faces import face_of
from avatar_app.studio.nets.discriminator import QualityDiscriminator
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.nets.feature_distillation import FeatureProjections
from avatar_app.studio.nets.lower_half import LowerHalfGenerator
from avatar_app.studio.nets.teacher import Teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.generator_decoder import N_SAMPLES, strip
from avatar_app.studio.train.joint_config import JointConfig
from avatar_app.studio.train.joint_losses import JointLoss, LossNetworks
from avatar_app.studio.train.loop import cosine_rate, descend, set_rate, update_average
from avatar_app.studio.train.teacher_batches import TeacherBatch, TeacherBatchPool

# Held-out sync loss below which the sync term is on (the authors' threshold).
SYNC_OPENS_BELOW = 0.75
N_HELD_OUT_CLIPS = 48
HELD_OUT_SEED = 2
# Pictures that are generated at once in an evaluation.
EVALUATION_BATCH = 32

GeneratorT = TypeVar("GeneratorT", bound=LowerHalfGenerator)


class JointTask(Generic[GeneratorT]):
    """Trains a generator from sound to pictures; for `loop.train`.

    Args:
        net: the generator.
        dataset: sounds and pictures.
        config: hyper-parameters.
        expert: the sync expert, when the loss has a sync term.
        teacher: the teacher, when the loss has a distillation term.
        seed: of the batches.

    Raises:
        StudioError: the configuration needs an expert or a teacher, and there is none.
    """

    def __init__(
        self,
        net: GeneratorT,
        dataset: Dataset,
        config: JointConfig,
        expert: SyncExpert | None = None,
        teacher: Teacher | None = None,
        seed: int = 0,
    ) -> None:
        weights = config.loss_weights
        if (weights.sync and expert is None) or (weights.needs_teacher and teacher is None):
            raise StudioError("This recipe needs a sync expert or a teacher.", "Train it first and name its folder.")
        self.config, self._device = config, parallel.device()
        self.net = net.to(self._device)
        self.average = copy.deepcopy(self.net).eval()
        self.batches = TeacherBatchPool(dataset, config, seed, teacher if weights.needs_teacher else None)
        self._held_out = _held_out_batch(dataset, config)
        self._expert = expert.to(self._device) if expert is not None else None
        self._face = face_of(dataset.rest).to(self._device)
        self._projections = (
            FeatureProjections(net.shape, teacher.shape).to(self._device) if weights.features and teacher else None
        )
        self._optimizer = torch.optim.AdamW(self._trained(), lr=config.peak_rate, weight_decay=1e-4)
        self._discriminator = (
            QualityDiscriminator(weights.discriminator_width).to(self._device) if weights.quality else None
        )
        self._discriminator_optimizer = (
            torch.optim.AdamW(self._discriminator.parameters(), lr=config.peak_rate) if self._discriminator else None
        )
        networks = LossNetworks(self._expert, self._discriminator, self._projections)
        self.loss = JointLoss(dataset, config, networks, self._device)

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks to save."""
        found: dict[str, nn.Module] = {"net": self.net, "average": self.average, "schedule": self.loss.schedule}
        found |= {"projections": self._projections} if self._projections is not None else {}
        return found | ({"discriminator": self._discriminator} if self._discriminator is not None else {})

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimizers to save."""
        found: dict[str, torch.optim.Optimizer] = {"generator": self._optimizer}
        optimizer = self._discriminator_optimizer
        return found | ({"discriminator": optimizer} if optimizer is not None else {})

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        return self.learn(self.batches.draw(index, rng), index, n_steps)

    def learn(self, batch: TeacherBatch, index: int, n_steps: int) -> Mapping[str, float]:
        """Train on a given batch; several tasks may share it."""
        is_precise = index >= n_steps * (1 - self.config.frozen_share)
        self._set_mode(is_frozen=self.config.are_norms_frozen or is_precise)
        if index >= n_steps * self.config.sync_opens_at:
            self.loss.schedule.is_open.fill_(1)
        rate = cosine_rate(index, n_steps, self.config.peak_rate, n_warmup=min(200, n_steps // 10))
        set_rate(self._optimizer, rate)
        with arithmetic.autocast(self._device, enabled=not is_precise):
            features = self.net.decoder_features(self._codes(self.net, batch), self.net.encode_face(self._face))
            pictures = self.net.to_picture(features)
        parts = self.loss.parts(batch, pictures.float(), features)
        descend(self._optimizer, parts["loss"])
        if not self.config.are_norms_frozen:
            parallel.average_norms(self.net)
        if self._discriminator is not None:
            ground_truth = batch.clips.pictures.flatten(0, 1)
            parts["discriminator"] = self._train_discriminator(ground_truth, pictures.detach().float(), rate)
        update_average(self.average, self.net, min(self.config.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged network on held-out speakers: PSNR in dB of the lower half, and the sync loss."""
        pictures = self._held_out_pictures()
        errors = (pictures - self._held_out.pictures.flatten(0, 1)).square().mean((1, 2, 3)).clamp_min(1e-12)
        found = {"psnr_db": float(-10 * torch.log10(errors).mean())}
        if self._expert is not None:
            found["sync"] = float(self.loss.sync(self._held_out, pictures))
            if found["sync"] < SYNC_OPENS_BELOW:
                self.loss.schedule.is_open.fill_(1)
        return found

    def sample(self) -> UInt8:
        """Held-out ground truth above the generated pictures."""
        ground_truth = self._held_out.pictures.flatten(0, 1)
        every = max(1, len(ground_truth) // N_SAMPLES)
        return strip(ground_truth[::every][:N_SAMPLES], self._held_out_pictures()[::every][:N_SAMPLES])

    def _held_out_pictures(self) -> Tensor:
        lookahead_ms = self.config.lookaheads_ms[-1]
        return self.generate(self.average, TeacherBatch(self._held_out, [lookahead_ms] * len(self._held_out.mel)))

    @torch.no_grad()
    def generate(self, net: GeneratorT, batch: TeacherBatch) -> Tensor:
        """The pictures of a network for a batch, (B * n, 3, 48, 96), in float32."""
        features = net.encode_face(self._face)
        codes = self._codes(net, batch)
        return torch.cat([net.decode(part, features) for part in torch.split(codes, EVALUATION_BATCH)])

    def _train_discriminator(self, ground_truth: Tensor, pictures: Tensor, rate: float) -> Tensor:
        """One step of the discriminator."""
        assert self._discriminator is not None and self._discriminator_optimizer is not None  # noqa: S101
        set_rate(self._discriminator_optimizer, rate)
        with arithmetic.autocast(self._device):
            logits = self._discriminator(torch.cat((ground_truth, pictures))).float()
        labels = torch.cat((torch.ones(len(ground_truth)), torch.zeros(len(pictures)))).to(self._device)
        loss = binary_cross_entropy_with_logits(logits, labels)
        descend(self._discriminator_optimizer, loss)
        return loss

    def _codes(self, net: GeneratorT, batch: TeacherBatch) -> Tensor:
        windows = batch.clips.mel_windows(batch.lookaheads_ms)
        n_pictures = len(windows) // len(batch.lookaheads_ms)
        indices = torch.tensor([LOOKAHEADS_MS.index(ms) for ms in batch.lookaheads_ms], device=self._device)
        one_hot = torch.nn.functional.one_hot(indices, len(LOOKAHEADS_MS)).float()
        return net.encode_audio(windows, one_hot.repeat_interleave(n_pictures, 0))

    def _trained(self) -> list[nn.Parameter]:
        """The trained parameters; the others are frozen."""
        face = set(self.net.face_encoder_blocks.parameters())
        frozen = set() if self.config.is_face_trained else face
        for parameter in frozen:
            parameter.requires_grad_(False)
        projections = [] if self._projections is None else list(self._projections.parameters())
        return [*(p for p in self.net.parameters() if p not in frozen), *projections]

    def _set_mode(self, *, is_frozen: bool) -> None:
        self.net.train(not is_frozen)
        # A single face has no variance for batch norm.
        self.net.face_encoder_blocks.eval()


def _held_out_batch(dataset: Dataset, config: JointConfig) -> AvBatch:
    """Segments of held-out speakers, the same in every run."""
    weights = np.array([len(clip.pictures) for clip in dataset.held_out], np.float32)
    rng = np.random.default_rng(HELD_OUT_SEED)
    batch = draw_av_batch(dataset.held_out, weights, dataset.corpus, N_HELD_OUT_CLIPS, config.n_pictures, rng)
    return batch.part(slice(None), parallel.device())
