"""Encoder training, the second half of a generator: 16 mel columns to mouth parameters, per look-ahead.

The targets are parameters, not pixels: uncertainty of a short window then averages 14 numbers and never a picture.
Voices and losses are those of the speech encoder. `fold_head` writes the trained head into the last layer of an audio
encoder, so the published architecture does not change.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio import arithmetic
from avatar_app.studio.data.speech_batches import Batch, BatchPlan, draw_batch
from avatar_app.studio.mouth import PHONES, REST
from avatar_app.studio.nets.generator import ConvBlock
from avatar_app.studio.nets.nova96 import LOOKAHEAD_MS, Nova96
from avatar_app.studio.nets.speech_encoder import STEP_COLUMNS, SpeechEncoder
from avatar_app.studio.nets.teacher import Teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.generator_decoder import MouthCode
from avatar_app.studio.train.loop import cosine_rate, descend, set_rate, step_generator, update_average
from avatar_app.studio.train.speech_encoder import SpeechData, SpeechRecipe, SpeechTask
from avatar_app.studio.train.speech_losses import SpeechLosses

N_COLUMNS = 16
POOL_SEED = 1_000_000_007


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Hyper-parameters of encoder training.

    Attributes:
        pairs: windows a step, each with the window 25 ms later.
        peak_rate: highest learning rate.
        pool_batches: batches of augmented voices that are kept for reuse, because augmentation is slow.
        steps_per_batch: steps after which the oldest batch is replaced.
        teacher_share: share of the teacher output in each target, when there is a teacher.
        precise_share: last part of the run, computed in float32.
    """

    pairs: int = 56
    peak_rate: float = 2e-3
    pool_batches: int = 24
    steps_per_batch: int = 16
    teacher_share: float = 0.5
    precise_share: float = 0.1


class AudioEncoders(nn.Module):
    """Audio encoders without their last layer, with linear heads for mouth and phones.

    Args:
        shared: the layers that all encoders share.
        encoders: the other layers: an encoder for each look-ahead, or one for all.
        n_code: channels before the last layer.
    """

    def __init__(self, shared: nn.Module, encoders: Sequence[nn.Sequential], n_code: int) -> None:
        super().__init__()
        self.shared_audio_encoder = shared
        self.encoders = nn.ModuleList(encoder[:-1] for encoder in encoders)
        self.mouth = nn.ModuleList(nn.Linear(n_code, N_MOUTH) for _ in LOOKAHEAD_MS)
        self.phones = nn.ModuleList(nn.Linear(n_code, len(PHONES)) for _ in LOOKAHEAD_MS)
        for head in self.mouth_heads():
            nn.init.zeros_(head.weight)
            head.bias.data = torch.from_numpy(REST.copy())

    @property
    def window_columns(self) -> int:
        """Mel columns of one input window."""
        return N_COLUMNS

    def mouth_heads(self) -> list[nn.Linear]:
        """The heads for the mouth, by look-ahead."""
        heads = list(self.mouth)
        assert all(isinstance(head, nn.Linear) for head in heads)  # noqa: S101  a ModuleList forgets what it holds
        return heads  # type: ignore[return-value]

    @classmethod
    def of_nova96(cls, net: Nova96) -> AudioEncoders:
        """Those of the student, with an encoder for each look-ahead."""
        return cls(net.shared_audio_encoder, [_sequential(e) for e in net.audio_encoders], 16 * net.shape.audio_width)

    @classmethod
    def of_teacher(cls, net: Teacher) -> AudioEncoders:
        """That of the teacher, with heads for all look-aheads, so that it encodes the whole window."""
        return cls(nn.Identity(), [net.audio_encoder], 16 * net.shape.audio_width)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, T) mel, T >= 16 -> (B, 4, 14, N): the mouth for every second window."""
        return self._heads(self.mouth, self.features(mel), len(mel))

    def forward_with_phones(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """The mouth as in `forward`, and phone logits (B, 4, 40, N), which only training needs."""
        features = self.features(mel)
        return self._heads(self.mouth, features, len(mel)), self._heads(self.phones, features, len(mel))

    def features(self, mel: Tensor) -> list[Tensor]:
        """(B, 1, 80, T) -> (B * N, n_code) per look-ahead."""
        windows = mel.unfold(3, N_COLUMNS, STEP_COLUMNS).permute(0, 3, 1, 2, 4)
        shared = self.shared_audio_encoder(windows.reshape(-1, 1, MEL.n_mels, N_COLUMNS))
        features = [encoder(shared).flatten(1) for encoder in self.encoders]
        return features * (len(LOOKAHEAD_MS) // len(features))

    @staticmethod
    def _heads(heads: nn.ModuleList, features: list[Tensor], n_segments: int) -> Tensor:
        outputs = torch.stack([head(x) for head, x in zip(heads, features, strict=True)], dim=1)
        return outputs.reshape(n_segments, -1, *outputs.shape[1:]).permute(0, 2, 3, 1)


class VoicePool:
    """A pool of batches of augmented voices, from which windows are sampled.

    Args:
        data: voices.
        config: sizes.
        seed: of all randomness; batch k is the same in every run.
        teacher: a speech encoder with a longer window, whose outputs are mixed into the targets.
    """

    def __init__(
        self, data: SpeechData, config: EncoderConfig, seed: int, teacher: SpeechEncoder | None = None
    ) -> None:
        self._data, self._config, self._seed, self._teacher = data, config, seed, teacher
        window_columns = N_COLUMNS if teacher is None else teacher.shape.window_columns
        self._plan = BatchPlan(window_columns=window_columns)
        self._batches: deque[Batch] = deque(maxlen=config.pool_batches)
        self._n_made = 0

    def draw(self, index: int, rng: np.random.Generator) -> Batch:
        """Pairs of windows for a step: mel (P, 1, 80, 18), mouth (P, 4, 14, 2), phones (P, 4, 2), trust (P,)."""
        self._refill(index // self._config.steps_per_batch + self._config.pool_batches)
        chosen = [self._pair(rng) for _ in range(self._config.pairs)]
        mel, mouth, phones, trust = (torch.stack(parts) for parts in zip(*chosen, strict=True))
        return Batch(mel, mouth, phones, trust)

    def _pair(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch = self._batches[int(rng.integers(len(self._batches)))]
        segment, first = int(rng.integers(len(batch.mel))), int(rng.integers(self._plan.n_outputs - 1))
        end = self._plan.window_columns + STEP_COLUMNS * (first + 1)
        return (
            batch.mel[segment, :, :, end - N_COLUMNS - STEP_COLUMNS : end],
            batch.mouth[segment, :, :, first : first + 2],
            batch.phones[segment, :, first : first + 2],
            batch.trust[segment],
        )

    def _refill(self, n_wanted: int) -> None:
        """Make batches up to a number, without those that have left the pool by then."""
        for k in range(max(self._n_made, n_wanted - self._config.pool_batches), n_wanted):
            batch = draw_batch(self._data.corpus, self._plan, step_generator(self._seed, POOL_SEED + k))
            self._batches.append(self._with_teacher(batch))
        self._n_made = max(self._n_made, n_wanted)

    @torch.no_grad()
    def _with_teacher(self, batch: Batch) -> Batch:
        if self._teacher is None:
            return batch
        output = self._teacher(batch.mel).clamp(0, 1)
        return replace(batch, mouth=torch.lerp(batch.mouth, output, self._config.teacher_share))


class EncoderTask(SpeechTask):
    """Trains the audio encoders up to their last layer; for `loop.train`.

    Args:
        encoders: the encoders.
        data: voices.
        config: hyper-parameters.
        seed: of the pool.
        teacher: see `VoicePool`.
    """

    def __init__(
        self,
        encoders: AudioEncoders,
        data: SpeechData,
        config: EncoderConfig,
        seed: int,
        teacher: SpeechEncoder | None = None,
    ) -> None:
        self._device = parallel.device()
        self.encoders = encoders.to(self._device)
        self.average_encoders = copy.deepcopy(self.encoders).eval()
        self._data, self._recipe, self._config = data, SpeechRecipe(), config
        self._losses = SpeechLosses(self._recipe.loss_weights(), data.opening_mm, data.visible)
        self._pool = VoicePool(data, config, seed, teacher)
        self._optimizer = torch.optim.AdamW(self.encoders.parameters(), weight_decay=0.02)
        self.average = self.average_encoders  # type: ignore[assignment]

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.encoders, "average": self.average_encoders}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch of window pairs."""
        set_rate(self._optimizer, cosine_rate(index, n_steps, self._config.peak_rate, floor_ratio=0.01))
        batch = self._pool.draw(index, rng).part(parallel.share(self._config.pairs))
        self.encoders.train()
        is_precise = index >= n_steps * (1 - self._config.precise_share)
        with arithmetic.autocast(self._device, enabled=not is_precise):
            mouth, phones = self.encoders.forward_with_phones(batch.mel.to(self._device))
        # The loss is small: it is computed on the device of the batch.
        parts = self.losses(mouth.float().cpu(), phones.float().cpu(), batch)
        descend(self._optimizer, parts["loss"])
        parallel.average_norms(self.encoders)
        update_average(self.average_encoders, self.encoders, min(0.999, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}


@torch.no_grad()
def fold_heads(net: Nova96, trained: AudioEncoders, code: MouthCode) -> None:
    """Write trained encoders, their heads and the code into the audio encoders of a student."""
    net.shared_audio_encoder.load_state_dict(trained.shared_audio_encoder.state_dict())
    for trunk, head, encoder in zip(trained.encoders, trained.mouth_heads(), net.audio_encoders, strict=True):
        fold_head(_sequential(encoder), trunk, head, code)


@torch.no_grad()
def fold_head(encoder: nn.Sequential, trunk: nn.Module, head: nn.Linear, code: MouthCode) -> None:
    """Write a trained trunk, its head and the code into one audio encoder.

    The last layer of an encoder is a 1x1 convolution, so it can hold the product: code(head(x)) =
    ReLU(C (H x + h) + c). Its norm becomes the identity.
    """
    encoder[:-1].load_state_dict(trunk.state_dict())
    last = encoder[-1]
    assert isinstance(last, ConvBlock)  # noqa: S101
    conv, norm = last.conv_block
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None and isinstance(norm, nn.BatchNorm2d)  # noqa: S101
    conv.weight.copy_((code.layer.weight @ head.weight)[:, :, None, None])
    conv.bias.copy_(code.layer.weight @ head.bias + code.layer.bias)
    norm.reset_parameters()
    assert norm.running_var is not None  # noqa: S101
    norm.running_var.fill_(1 - norm.eps)


def _sequential(module: nn.Module) -> nn.Sequential:
    assert isinstance(module, nn.Sequential)  # noqa: S101  a ModuleList forgets what it holds
    return module
