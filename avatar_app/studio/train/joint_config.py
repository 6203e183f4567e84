"""Configuration of joint training: loss weights and hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

from avatar_app.studio.data.augmentation import AugmentationRanges
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the loss terms of a generator; 0 leaves a term out.

    Attributes:
        ground_truth: L1 to the pictures of the clip.
        teacher_outputs: L1 to the pictures of the teacher.
        features: distance of the decoder features to the teacher's (`nets.feature_distillation`).
        sync: loss of the sync expert, once its schedule has switched it on.
        quality: loss of the discriminator.
        discriminator_width: channels of the discriminator's first stage.
    """

    ground_truth: float = 1.0
    teacher_outputs: float = 0.0
    features: float = 0.0
    sync: float = 0.0
    quality: float = 0.0
    discriminator_width: int = 32

    @property
    def needs_teacher(self) -> bool:
        """Whether any term uses teacher outputs."""
        return self.teacher_outputs > 0 or self.features > 0


@dataclass(frozen=True, slots=True)
class JointConfig:
    """Hyper-parameters of joint training.

    Attributes:
        loss_weights: weights of the loss terms.
        n_clips: segments in a batch.
        n_pictures: consecutive pictures of each segment; with `sync` at least the expert's five.
        pool_batches: batches with teacher outputs that are kept for reuse, because teacher outputs are slow to compute.
        steps_per_batch: steps after which the oldest of them is replaced.
        peak_rate: highest learning rate.
        lookaheads_ms: the look-aheads of each segment; features are compared at the last one.
        sealed_weight: weight of pictures in which speech closes the lips; they are few and errors in them are visible.
        closing_weight: of the lip gap in mm, read from the generated pictures, where speech closes the lips.
        velocity_weight: of errors in the motion between the pictures of a segment.
        are_norms_frozen: batch norms keep their statistics; else only in the last `frozen_share` of the run.
        frozen_share: see above; its arithmetic is float32.
        is_face_trained: whether the face encoder is trained.
        sync_opens_at: share of the run after which the sync term is on, whatever its held-out loss is.
        average_decay: of the averaged weights, which are the result.
        augmentation: ranges of the augmentation of voices.
    """

    loss_weights: LossWeights = field(default_factory=LossWeights)
    n_clips: int = 4
    n_pictures: int = 5
    pool_batches: int = 1
    steps_per_batch: int = 1
    peak_rate: float = 1e-4
    lookaheads_ms: tuple[int, ...] = (TEACHER_LOOKAHEAD_MS,)
    sealed_weight: float = 1.0
    closing_weight: float = 0.0
    velocity_weight: float = 0.0
    are_norms_frozen: bool = True
    frozen_share: float = 0.2
    is_face_trained: bool = False
    sync_opens_at: float = 1.0
    average_decay: float = 0.995
    augmentation: AugmentationRanges = field(default_factory=AugmentationRanges)
