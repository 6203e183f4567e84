"""Speaking: sound in, pictures out, the whole generator at once, under every pressure that a recipe names.

Teacher and student learn by the same task; only the recipe differs. Reconstruction, sync and picture quality are
weighted as Wav2Lip's authors do (arXiv 2008.10010): (1 - w_s - w_q) L1 + w_s sync + w_q quality, and w_s opens once
the expert finds held-out pictures nearly in sync.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from avatar_app.contracts.errors import StudioError
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio import arithmetic
from avatar_app.studio.data.augmentation import ChangeRanges
from avatar_app.studio.data.av_clips import Takes, UInt8, draw_takes
from avatar_app.studio.data.dataset import Stage
from avatar_app.studio.data.faces import MOUTH_COLUMNS, MOUTH_ROWS, face_of
from avatar_app.studio.metrics.generators import fit_reader
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.discriminator import QualityDiscriminator
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.nets.feature_distillation import JoinMaps
from avatar_app.studio.nets.lower_half import DrawsLowerHalf
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.generator_decoder import N_SAMPLES, pixel_weight, sharp_l1, strip
from avatar_app.studio.train.loop import cosine_rate, set_rate, step_generator, update_average

# Held-out sync loss below which the expert may press (the authors' threshold).
SYNC_OPENS_BELOW = 0.75
N_HELD_OUT_TAKES = 48
HELD_OUT_SEED = 2
# Lips closer than this in speech are on their way to a p, b or m, or there.
SEALED_MM = 1.0
REST_DISTANCE = 0.02
POOL_SEED = 1_000_000_007


Speaker = TypeVar("Speaker", bound=DrawsLowerHalf)


@dataclass(frozen=True, slots=True)
class Pressures:
    """What a generator is held to; a weight of 0 leaves a term out.

    Attributes:
        truth: L1 to the pictures that belong to the sound.
        outputs: L1 to the pictures that the teacher draws.
        features: distance of the decoder joins to the teacher's (`nets.joins`).
        sync: of the sync expert's loss, once it opened.
        quality: of the discriminator's.
        disc_width: channels of the discriminator's first stage.
    """

    truth: float = 1.0
    outputs: float = 0.0
    features: float = 0.0
    sync: float = 0.0
    quality: float = 0.0
    disc_width: int = 32

    @property
    def need_teacher(self) -> bool:
        """Whether any term asks the teacher."""
        return self.outputs > 0 or self.features > 0


@dataclass(frozen=True, slots=True)
class SpeakConfig:
    """How speaking is trained.

    Attributes:
        pressures: the loss.
        n_takes: pieces of sound a step.
        n_pictures: consecutive pictures of each; with sync at least the expert's five.
        pool_lessons: what a teacher says is dear, to learn from it is cheap: so many batches wait in a pool.
        steps_per_lesson: steps after which the oldest of them is replaced.
        peak_rate: highest learning rate.
        lookaheads_ms: each piece is heard at all of these; features are compared at the last.
        sealed_weight: how much a picture of lips that close in speech counts: there are few, and a miss is seen.
        closing_share: weight of the lip gap in mm, read from the drawn pictures, where speech closes the lips.
        velocity_share: weight of motion that is wrong from one picture of a piece to the next.
        are_norms_frozen: batch norms keep what they have; else until the last `frozen_share` of the run.
        frozen_share: see there; arithmetic is float32 in it.
        is_face_trained: whether the face encoder learns.
        sync_opens_at: share of the run after which the expert presses even if it is not nearly content.
        average_decay: of the averaged weights, which are the result.
        changes: how far voices are changed.
    """

    pressures: Pressures = field(default_factory=Pressures)
    n_takes: int = 4
    n_pictures: int = 5
    pool_lessons: int = 1
    steps_per_lesson: int = 1
    peak_rate: float = 1e-4
    lookaheads_ms: tuple[int, ...] = (TEACHER_LOOKAHEAD_MS,)
    sealed_weight: float = 1.0
    closing_share: float = 0.0
    velocity_share: float = 0.0
    are_norms_frozen: bool = True
    frozen_share: float = 0.2
    is_face_trained: bool = False
    sync_opens_at: float = 1.0
    average_decay: float = 0.995
    changes: ChangeRanges = field(default_factory=ChangeRanges)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch, with what the teacher makes of it.

    Attributes:
        takes: sounds and pictures.
        lookaheads_ms: of each piece.
        drawn: (B * n, 3, 48, 96) float32, the teacher's pictures, when one was asked.
        joined: the teacher's seven joins for each piece once, or none.
    """

    takes: Takes
    lookaheads_ms: Sequence[int]
    drawn: Tensor | None = None
    joined: Sequence[Tensor] = ()

    def heard_at(self, lookaheads_ms: Sequence[int]) -> Lesson:
        """The lesson once for each of some look-aheads, one after the other; pieces have one each already."""
        n, takes = len(lookaheads_ms), self.takes
        parts = (takes.mel, takes.pictures, takes.mouth)
        return Lesson(
            Takes(*(torch.cat([part] * n) for part in parts)),
            [ms for ms in lookaheads_ms for _ in takes.mel],
            None if self.drawn is None else torch.cat([self.drawn] * n),
            self.joined,
        )


class Lessons:
    """A pool of batches.

    Args:
        stage: sounds and pictures.
        config: sizes.
        seed: of all chance in them; batch k is the same in every run.
        teacher: asked about each batch, when there is one.
    """

    def __init__(self, stage: Stage, config: SpeakConfig, seed: int, teacher: Teacher | None = None) -> None:
        self._stage, self._config, self._seed = stage, config, seed
        self._pool: deque[Lesson] = deque(maxlen=config.pool_lessons)
        self._n_made = 0
        self._teacher = teacher.to(parallel.device()) if teacher is not None else None
        with torch.no_grad():
            face = face_of(stage.rest).to(parallel.device())
            self._features = self._teacher.encode_face(face) if self._teacher is not None else []

    def draw(self, index: int, rng: np.random.Generator) -> Lesson:
        """This process's share of a batch for a step."""
        self._refill(index // self._config.steps_per_lesson + self._config.pool_lessons)
        return self._pool[int(rng.integers(len(self._pool)))].heard_at(self._config.lookaheads_ms)

    def _refill(self, n_wanted: int) -> None:
        """Make batches up to a number; those that would have left the pool by then are skipped."""
        config, stage = self._config, self._stage
        for k in range(max(self._n_made, n_wanted - config.pool_lessons), n_wanted):
            rng = step_generator(self._seed, POOL_SEED + k)
            takes = draw_takes(
                stage.train, stage.odds, stage.corpus, config.n_takes, config.n_pictures, rng, config.changes
            )
            self._pool.append(self._taught(takes.part(parallel.share(config.n_takes), parallel.device())))
        self._n_made = max(self._n_made, n_wanted)

    @torch.no_grad()
    def _taught(self, takes: Takes) -> Lesson:
        """A lesson with the teacher's word."""
        heard_at = [TEACHER_LOOKAHEAD_MS] * len(takes.mel)
        if self._teacher is None:
            return Lesson(takes, heard_at)
        windows = takes.windows(heard_at)
        with arithmetic.autocast(parallel.device()):
            joined = self._teacher.joined(self._teacher.audio_encoder(windows), self._features)
            drawn = self._teacher.draw_joined(joined)
        return Lesson(takes, heard_at, drawn.float(), joined)


class SpeakTask(Generic[Speaker]):
    """Trains a generator from sound to picture; for `loop.train`.

    Args:
        net: what is trained.
        stage: sounds and pictures.
        config: how.
        expert: says how well sound and pictures belong together.
        teacher: says what the pictures should be.
        seed: of the batches.

    Raises:
        StudioError: the recipe asks for an expert or a teacher that is not given.
    """

    def __init__(
        self,
        net: Speaker,
        stage: Stage,
        config: SpeakConfig,
        expert: SyncExpert | None = None,
        teacher: Teacher | None = None,
        seed: int = 0,
    ) -> None:
        pressures = config.pressures
        if (pressures.sync and expert is None) or (pressures.need_teacher and teacher is None):
            raise StudioError("This recipe needs a sync expert or a teacher.", "Train it first and name its folder.")
        self.config, self._device = config, parallel.device()
        self.net = net.to(self._device)
        self.average = copy.deepcopy(self.net).eval()
        self.lessons = Lessons(stage, config, seed, teacher if pressures.need_teacher else None)
        self._held_out = _held_out_takes(stage, config)
        self._expert = expert.to(self._device) if expert is not None else None
        self._face = face_of(stage.rest).to(self._device)
        self._weight = pixel_weight(_some_pictures(stage)).to(self._device)
        self._opening_mm = torch.from_numpy(stage.opening_mm).to(self._device)
        self._gap = _gap_picture(stage).to(self._device) if config.closing_share else None
        self._schedule = _Schedule()
        self._maps = JoinMaps(net.shape, teacher.shape).to(self._device) if pressures.features and teacher else None
        self._optimizer = torch.optim.AdamW(self._trained(), lr=config.peak_rate, weight_decay=1e-4)
        self._judge = QualityDiscriminator(pressures.disc_width).to(self._device) if pressures.quality else None
        self._judge_optimizer = (
            torch.optim.AdamW(self._judge.parameters(), lr=config.peak_rate) if self._judge is not None else None
        )

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks to save."""
        found: dict[str, nn.Module] = {"net": self.net, "average": self.average, "schedule": self._schedule}
        found |= {"maps": self._maps} if self._maps is not None else {}
        return found | ({"judge": self._judge} if self._judge is not None else {})

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimizers to save."""
        found: dict[str, torch.optim.Optimizer] = {"speak": self._optimizer}
        return found | ({"judge": self._judge_optimizer} if self._judge_optimizer is not None else {})

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        return self.learn(self.lessons.draw(index, rng), index, n_steps)

    def learn(self, lesson: Lesson, index: int, n_steps: int) -> Mapping[str, float]:
        """Train on a given batch; several tasks may learn from the same."""
        is_precise = index >= n_steps * (1 - self.config.frozen_share)
        self._set_mode(is_frozen=self.config.are_norms_frozen or is_precise)
        if index >= n_steps * self.config.sync_opens_at:
            self._schedule.is_open.fill_(1)
        rate = cosine_rate(index, n_steps, self.config.peak_rate, n_warmup=min(200, n_steps // 10))
        set_rate(self._optimizer, rate)
        with arithmetic.autocast(self._device, enabled=not is_precise):
            joined = self.net.joined(self._codes(self.net, lesson), self.net.encode_face(self._face))
            drawn = self.net.draw_joined(joined)
        parts = self._losses(lesson, drawn.float(), joined)
        self._optimizer.zero_grad(set_to_none=True)
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        parallel.average_gradients(self._optimizer)
        self._optimizer.step()
        if not self.config.are_norms_frozen:
            parallel.average_norms(self.net)
        if self._judge is not None:
            parts["judge"] = self._teach_judge(lesson.takes.pictures.flatten(0, 1), drawn.detach().float(), rate)
        update_average(self.average, self.net, min(self.config.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged network on held-out voices: PSNR in dB of the lower half, and the expert's loss."""
        drawn = self._drawn_held_out()
        true = self._held_out.pictures.flatten(0, 1)
        errors = (drawn - true).square().mean((1, 2, 3)).clamp_min(1e-12)
        found = {"psnr_db": float(-10 * torch.log10(errors).mean())}
        if self._expert is not None:
            found["sync"] = float(self._sync(self._held_out, drawn))
            if found["sync"] < SYNC_OPENS_BELOW:
                self._schedule.is_open.fill_(1)
        return found

    def sample(self) -> UInt8:
        """Held-out pictures above what is drawn for their sound."""
        true = self._held_out.pictures.flatten(0, 1)
        every = max(1, len(true) // N_SAMPLES)
        return strip(true[::every][:N_SAMPLES], self._drawn_held_out()[::every][:N_SAMPLES])

    def _drawn_held_out(self) -> Tensor:
        lookahead_ms = self.config.lookaheads_ms[-1]
        return self.draw(self.average, Lesson(self._held_out, [lookahead_ms] * len(self._held_out.mel)))

    @torch.no_grad()
    def draw(self, net: Speaker, lesson: Lesson) -> Tensor:
        """What a network draws for a batch, (B * n, 3, 48, 96), in float32."""
        features = net.encode_face(self._face)
        codes = self._codes(net, lesson)
        return torch.cat([net.draw(part, features) for part in torch.split(codes, 32)])

    def _losses(self, lesson: Lesson, drawn: Tensor, joined: Sequence[Tensor]) -> dict[str, Tensor]:
        pressures = self.config.pressures
        parts: dict[str, Tensor] = {}
        true = lesson.takes.pictures.flatten(0, 1)
        weight = self._weight * self._counts(lesson.takes)
        pixels = pressures.truth * sharp_l1(drawn, true, weight)
        if lesson.drawn is not None and pressures.outputs:
            pixels = pixels + pressures.outputs * sharp_l1(drawn, lesson.drawn, weight)
        parts["pixels"] = pixels
        w_sync = pressures.sync * float(self._schedule.is_open)
        total = (1 - w_sync - pressures.quality) * pixels
        if w_sync:
            parts["sync"] = self._sync(lesson.takes, drawn)
            total = total + w_sync * parts["sync"]
        if self._judge is not None:
            logits = self._judge(drawn)
            parts["quality"] = binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            total = total + pressures.quality * parts["quality"]
        if self.config.velocity_share:
            parts["velocity"] = self._velocity(drawn, lesson.takes)
            total = total + self.config.velocity_share * parts["velocity"]
        if self._gap is not None:
            parts["closing"] = self._closing(drawn - true, self._gap, lesson.takes)
            total = total + self.config.closing_share * parts["closing"]
        if self._maps is not None:
            # Last is the teacher's own look-ahead; with less, its joins could not be told.
            n = len(lesson.joined[0])
            parts["features"] = self._maps([join[-n:] for join in joined], lesson.joined)
            total = total + pressures.features * parts["features"]
        return {"loss": total, **parts}

    def _velocity(self, drawn: Tensor, takes: Takes) -> Tensor:
        """What moves, or fails to move, from picture to picture: trembling above all."""
        error = drawn.view(takes.pictures.shape) - takes.pictures
        return (self._weight * error.diff(dim=1).abs()).mean()

    def _closing(self, error: Tensor, gap: Tensor, takes: Takes) -> Tensor:
        """By how many mm lips stay open that should be closed; lips that are open when they should be do not count."""
        read_mm = (error[:, :, MOUTH_ROWS, MOUTH_COLUMNS] * gap).sum((1, 2, 3))
        return (self._is_sealed(takes) * read_mm.clamp_min(0)).mean()

    def _counts(self, takes: Takes) -> Tensor:
        """How much each picture counts, (B * n, 1, 1, 1)."""
        return (1 + (self.config.sealed_weight - 1) * self._is_sealed(takes))[:, None, None, None]

    def _is_sealed(self, takes: Takes) -> Tensor:
        """1 where speech closes the lips, else 0; (B * n,)."""
        mouth = takes.mouth.flatten(0, 1)
        is_at_rest = (mouth - torch.from_numpy(REST).to(mouth)).abs().amax(1) < REST_DISTANCE
        return ((mouth @ self._opening_mm < SEALED_MM) & ~is_at_rest).float()

    def _sync(self, takes: Takes, drawn: Tensor) -> Tensor:
        """Binary cross entropy of the cosines of right pairs."""
        assert self._expert is not None  # noqa: S101  checked when the task was made
        stacks = replace(takes, pictures=drawn.view(takes.pictures.shape)).mouthfuls().flatten(0, 1)
        cosine = self._expert(takes.utterances().flatten(0, 1), stacks).clamp(1e-4, 1 - 1e-4)
        return binary_cross_entropy(cosine, torch.ones_like(cosine))

    def _teach_judge(self, true: Tensor, drawn: Tensor, rate: float) -> Tensor:
        """One step of the discriminator."""
        assert self._judge is not None and self._judge_optimizer is not None  # noqa: S101
        set_rate(self._judge_optimizer, rate)
        with arithmetic.autocast(self._device):
            logits = self._judge(torch.cat((true, drawn))).float()
        is_true = torch.cat((torch.ones(len(true)), torch.zeros(len(drawn)))).to(self._device)
        loss = binary_cross_entropy_with_logits(logits, is_true)
        self._judge_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parallel.average_gradients(self._judge_optimizer)
        self._judge_optimizer.step()
        return loss

    def _codes(self, net: Speaker, lesson: Lesson) -> Tensor:
        windows = lesson.takes.windows(lesson.lookaheads_ms)
        n_pictures = len(windows) // len(lesson.lookaheads_ms)
        numbers = torch.tensor([LOOKAHEADS_MS.index(ms) for ms in lesson.lookaheads_ms], device=self._device)
        one_hot = torch.nn.functional.one_hot(numbers, len(LOOKAHEADS_MS)).float()
        return net.hear(windows, one_hot.repeat_interleave(n_pictures, 0))

    def _trained(self) -> list[nn.Parameter]:
        """What the recipe lets learn; the rest is frozen."""
        face = set(self.net.face_encoder_blocks.parameters())
        frozen = set() if self.config.is_face_trained else face
        for parameter in frozen:
            parameter.requires_grad_(False)
        maps = [] if self._maps is None else list(self._maps.parameters())
        return [*(p for p in self.net.parameters() if p not in frozen), *maps]

    def _set_mode(self, *, is_frozen: bool) -> None:
        self.net.train(not is_frozen)
        # One face has no spread that a batch norm could measure.
        self.net.face_encoder_blocks.eval()


class _Schedule(nn.Module):
    """Whether the sync term is open: a buffer, so that a continued run knows."""

    is_open: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("is_open", torch.zeros(()))


def _held_out_takes(stage: Stage, config: SpeakConfig) -> Takes:
    """Pieces of voices never trained on, always the same."""
    odds = np.array([len(scene.pictures) for scene in stage.held_out], np.float32)
    rng = np.random.default_rng(HELD_OUT_SEED)
    takes = draw_takes(stage.held_out, odds, stage.corpus, N_HELD_OUT_TAKES, config.n_pictures, rng)
    return takes.part(slice(None), parallel.device())


def _some_pictures(stage: Stage) -> UInt8:
    """Pictures of trained scenes, in whole faces, to see which pixels move: (n, 96, 96, 3)."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    scenes = [stage.train[int(k)] for k in rng.choice(len(stage.train), 400, p=stage.odds / stage.odds.sum())]
    halves = np.stack([scene.pictures[int(rng.integers(len(scene.pictures)))] for scene in scenes])
    return np.concatenate((np.zeros_like(halves), halves), axis=1)


def _gap_picture(stage: Stage) -> Tensor:
    """(3, 32, 48): millimetres of lip gap per unit of each value of a mouth."""
    height, width = MOUTH_ROWS.stop - MOUTH_ROWS.start, MOUTH_COLUMNS.stop - MOUTH_COLUMNS.start
    return torch.from_numpy(fit_reader(stage).picture(height, width)).permute(2, 0, 1)
