"""Decoder training, the first half of a generator: 14 mouth parameters to the lower half of Nova's face.

With head and eyes at rest, a set of parameters has exactly one picture, so a plain L1 loss gives sharp results. The
parameters enter in place of sound: as the code that the audio encoder would pass to the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio import arithmetic
from avatar_app.studio.data.clips import Pictures
from avatar_app.studio.data.faces import MOUTH_COLUMNS, MOUTH_ROWS, SIZE_PX, TOP_PX, face_input
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.lower_half import LowerHalfGenerator
from avatar_app.studio.train import parallel
from avatar_app.studio.train.loop import cosine_rate, descend, set_rate

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
GeneratorT = TypeVar("GeneratorT", bound=LowerHalfGenerator)

REST_DISTANCE = 1e-3
N_SETTLING_FACES = 16
N_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Hyper-parameters of decoder training.

    Attributes:
        batch: pictures a step.
        peak_rate: highest learning rate.
        rest_share: sampling weight of a picture of the mouth at rest relative to the others; there are many of them.
        frozen_share: last part of the run, in which norms keep their statistics and arithmetic is float32.
        is_face_trained: whether the face encoder is trained. With a single face, the features of a deep encoder grow
            without bounds: the decoder then uses them alone and ignores the code.
    """

    batch: int = 16
    peak_rate: float = 2.5e-3
    rest_share: float = 0.3
    frozen_share: float = 0.2
    is_face_trained: bool = True


@dataclass(frozen=True)
class DecoderData:
    """Pictures of the head at rest with their mouth parameters.

    Attributes:
        frames: (n, 96, 96, 3) uint8 BGR.
        params: (n, 14) float32.
        is_train: (n,) bool; the others are held out.
    """

    frames: UInt8
    params: Float32
    is_train: NDArray[np.bool_]


def decoder_data(pictures: Pictures) -> DecoderData:
    """The pictures at the size of the generators."""
    size = (SIZE_PX, SIZE_PX)
    frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in pictures.frames])
    return DecoderData(frames, pictures.params, pictures.is_train)


class MouthCode(nn.Module):
    """Maps mouth parameters to the code of the decoder.

    It has one layer only: the mean of two codes is then nearly the code of the mean, and a head that predicts
    parameters can be folded into the last layer of an audio encoder (`generator_encoder.fold_head`).

    Args:
        n_code: channels of the code.
    """

    def __init__(self, n_code: int) -> None:
        super().__init__()
        self.layer = nn.Linear(N_MOUTH, n_code)
        nn.init.normal_(self.layer.weight)
        nn.init.uniform_(self.layer.bias, -0.3, 0.3)

    def forward(self, params: Tensor) -> Tensor:
        """(B, 14) -> (B, n_code, 1, 1), not negative."""
        return torch.relu(self.layer(params))[:, :, None, None]


class DecoderTask(Generic[GeneratorT]):
    """Trains face encoder, decoder and `MouthCode`; for `loop.train`.

    Args:
        net: the generator.
        data: pictures.
        config: hyper-parameters.
    """

    def __init__(self, net: GeneratorT, data: DecoderData, config: DecoderConfig) -> None:
        self._device = parallel.device()
        self.net, self.code = net.to(self._device), MouthCode(16 * net.shape.audio_width).to(self._device)
        self._data, self._config = data, config
        self._train = np.flatnonzero(data.is_train)
        self._held_out = np.flatnonzero(~data.is_train)
        is_rest = np.abs(data.params[self._train] - REST).max(axis=1) < REST_DISTANCE
        self._rest = self._train[is_rest]
        weights = np.where(is_rest, config.rest_share, 1.0)
        self._odds = weights / weights.sum()
        self._weight = pixel_weight(data.frames[self._train]).to(self._device)
        parameters = [*self.net.face_decoder_blocks.parameters(), *self.net.output_block.parameters()]
        parameters += self.code.parameters()
        if config.is_face_trained:
            parameters += self.net.face_encoder_blocks.parameters()
        else:
            faces = self._train[:: max(1, len(self._train) // N_SETTLING_FACES)]
            settle_norms(self.net.face_encoder_blocks, torch.cat([self._face(k) for k in faces]))
        self._optimizer = torch.optim.AdamW(parameters, lr=config.peak_rate, weight_decay=1e-4)

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks to save."""
        return {"net": self.net, "code": self.code}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimizers to save."""
        return {"generator": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on a batch of pictures, with one rest picture as the face."""
        is_frozen = index >= n_steps * (1 - self._config.frozen_share)
        self._set_mode(is_frozen=is_frozen)
        set_rate(self._optimizer, cosine_rate(index, n_steps, self._config.peak_rate, floor_ratio=0.001))
        chosen = rng.choice(self._train, self._config.batch, p=self._odds)
        face = self._face(rng.choice(self._rest))
        mine = chosen[parallel.share(len(chosen))]
        with arithmetic.autocast(self._device, enabled=not is_frozen):
            pictures = self._generate(mine, face)
        loss = sharp_l1(pictures.float(), self._ground_truth(mine), self._weight)
        descend(self._optimizer, loss)
        parallel.average_norms(self.net)
        return {"loss": float(loss.detach())}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """PSNR in dB of held-out pictures from their parameters: lower half, and mouth."""
        self._set_mode(is_frozen=True)
        face = self._face(self._rest[0])
        halves, mouths = [], []
        for chosen in np.array_split(self._held_out, max(1, len(self._held_out) // 64)):
            error = (self._generate(chosen, face) - self._ground_truth(chosen)).square()
            halves.append(error.mean((1, 2, 3)))
            mouths.append(error[:, :, MOUTH_ROWS, MOUTH_COLUMNS].mean((1, 2, 3)))
        return {"psnr_db": _mean_psnr_db(halves), "mouth_psnr_db": _mean_psnr_db(mouths)}

    @torch.no_grad()
    def sample(self) -> UInt8:
        """Held-out ground truth above the generated pictures."""
        self._set_mode(is_frozen=True)
        chosen = self._held_out[:: max(1, len(self._held_out) // N_SAMPLES)][:N_SAMPLES]
        return strip(self._ground_truth(chosen), self._generate(chosen, self._face(self._rest[0])))

    def _face(self, number: int) -> Tensor:
        return face_input(self._data.frames[number]).to(self._device)

    def _ground_truth(self, chosen: NDArray[np.int64]) -> Tensor:
        return lower_half(self._data.frames[chosen]).to(self._device)

    def _generate(self, chosen: NDArray[np.int64], face: Tensor) -> Tensor:
        code = self.code(torch.from_numpy(self._data.params[chosen]).to(self._device))
        return self.net.decode(code, self.net.encode_face(face))

    def _set_mode(self, *, is_frozen: bool) -> None:
        self.net.train(not is_frozen)
        # A single face has no variance for batch norm.
        self.net.face_encoder_blocks.eval()


@torch.no_grad()
def settle_norms(blocks: nn.ModuleList, faces: Tensor) -> None:
    """Set the batch norm statistics of an encoder to those of some faces."""
    norms = [module for module in blocks.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a cumulative mean
    blocks.train()
    for block in blocks:
        faces = block(faces)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    blocks.eval()


def lower_half(pictures: UInt8) -> Tensor:
    """(B, 96, 96, 3) uint8 -> (B, 3, 48, 96) float32 in 0..1."""
    rows = np.ascontiguousarray(pictures[:, TOP_PX:])
    return torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 255


def pixel_weight(frames: UInt8) -> Tensor:
    """Loss weight of each pixel of the lower half, (1, 1, 48, 96), mean 1: it grows with the standard deviation."""
    spread = frames[::5, TOP_PX:].astype(np.float32).std(axis=0).mean(axis=-1)
    spread = cv2.GaussianBlur(spread, (0, 0), 1.0)
    weight = np.minimum(0.25 + 0.5 * spread / max(float(spread.mean()), 1e-6), 8.0)
    return torch.from_numpy((weight / weight.mean()).astype(np.float32))[None, None]


def sharp_l1(pictures: Tensor, ground_truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 of pixels and of differences between neighbours; the latter keeps edges sharp."""
    error = pictures - ground_truth
    across = (error[..., 1:] - error[..., :-1]).abs()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs()
    parts = (weight * error.abs(), weight[..., 1:] * across, weight[..., 1:, :] * down)
    return torch.stack([part.mean() for part in parts]).sum()


def strip(*rows: Tensor) -> UInt8:
    """Rows of pictures, each (n, 3, h, w) in 0..1, as one picture (rows * h, n * w, 3) uint8."""
    lines = [torch.cat(list(row.clamp(0, 1)), dim=2) for row in rows]
    picture: UInt8 = (torch.cat(lines, dim=1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return picture


def _mean_psnr_db(squared_errors: list[Tensor]) -> float:
    return float(-10 * torch.log10(torch.cat(squared_errors).clamp_min(1e-12)).mean())
