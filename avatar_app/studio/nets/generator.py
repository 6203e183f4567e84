"""The generator family of Wav2Lip: two encoders, one decoder, widths and residual blocks as parameters.

Wav2Lip (Prajwal et al. 2020, arXiv 2008.10010) and its 28x student (Kim et al. 2023, arXiv 2304.00471) are the two
ends of this family. Modules carry the names of the published checkpoints, so that those load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Size = int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class GeneratorShape:
    """Sizes of one member of the family.

    Attributes:
        face_width: channels after the first layer of the face encoder.
        audio_width: channels after the first layer of the audio encoder.
        decoder_width: channels of the output block.
        has_residuals: whether residual blocks follow the layers that change the size.
        size_px: side of the face, a multiple of 32.
    """

    face_width: int
    audio_width: int
    decoder_width: int
    has_residuals: bool
    size_px: int = 96


class ConvBlock(nn.Module):
    """Convolution, batch norm, an optional residual connection, ReLU."""

    def __init__(
        self, n_in: int, n_out: int, kernel: Size, stride: Size = 1, pad: Size = 0, *, is_residual: bool = False
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(n_in, n_out, kernel, stride, pad), nn.BatchNorm2d(n_out))
        self.is_residual = is_residual

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H', W'), not negative."""
        y: Tensor = self.conv_block(x)
        return torch.relu(y + x if self.is_residual else y)


class UpBlock(nn.Module):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, pad: int) -> None:
        super().__init__()
        conv = nn.ConvTranspose2d(n_in, n_out, kernel, stride, pad, output_padding=stride - 1)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H', W'), not negative."""
        return torch.relu(self.conv_block(x))


def residuals(n_channels: int, n: int) -> list[nn.Module]:
    """`n` residual blocks that keep size and channels."""
    return [ConvBlock(n_channels, n_channels, 3, 1, 1, is_residual=True) for _ in range(n)]


def audio_encoder(width: int, *, has_residuals: bool) -> nn.Sequential:
    """(B, 1, 80, 16) mel in -4..4 -> (B, 16 * width, 1, 1)."""
    w = [width * k for k in (1, 2, 4, 8, 16)]
    n = (2, 2, 2, 1) if has_residuals else (0, 0, 0, 0)
    return nn.Sequential(
        *(ConvBlock(1, w[0], 3, 1, 1), *residuals(w[0], n[0])),
        *(ConvBlock(w[0], w[1], 3, (3, 1), 1), *residuals(w[1], n[1])),
        *(ConvBlock(w[1], w[2], 3, 3, 1), *residuals(w[2], n[2])),
        *(ConvBlock(w[2], w[3], 3, (3, 2), 1), *residuals(w[3], n[3])),
        ConvBlock(w[3], w[4], 3),
        ConvBlock(w[4], w[4], 1),
    )


def face_encoder(width: int, size_px: int, *, has_residuals: bool) -> nn.ModuleList:
    """(B, 6, S, S) -> seven feature maps at S, S/2, ..., S/32, 1."""
    w = [width * k for k in (1, 2, 4, 8, 16, 32)]
    n = (2, 3, 2, 2, 1) if has_residuals else (0,) * 5
    halving = [nn.Sequential(ConvBlock(a, b, 3, 2, 1), *residuals(b, k)) for a, b, k in zip(w, w[1:], n, strict=False)]
    deepest = nn.Sequential(ConvBlock(w[5], w[5], size_px // 32), ConvBlock(w[5], w[5], 1))
    return nn.ModuleList([nn.Sequential(ConvBlock(6, w[0], 7, 1, 3)), *halving, deepest])


def face_decoder(shape: GeneratorShape) -> nn.ModuleList:
    """Seven blocks; the output of each is concatenated with the face features of its size."""
    w = [shape.decoder_width * k for k in (16, 16, 16, 12, 8, 4, 2)]
    skip = [shape.face_width * k for k in (32, 32, 16, 8, 4, 2)]
    n = (1, 2, 2, 2, 2, 2) if shape.has_residuals else (0,) * 6
    blocks = [nn.Sequential(ConvBlock(16 * shape.audio_width, w[0], 1))]
    for k in range(6):
        kernel, stride, pad = (shape.size_px // 32, 1, 0) if k == 0 else (3, 2, 1)
        up = UpBlock(w[k] + skip[k], w[k + 1], kernel, stride, pad)
        blocks.append(nn.Sequential(up, *residuals(w[k + 1], n[k])))
    return nn.ModuleList(blocks)


class Generator(nn.Module):
    """Generates a face whose mouth matches a mel window; face features enter by seven skip connections."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        self.face_encoder_blocks = face_encoder(shape.face_width, shape.size_px, has_residuals=shape.has_residuals)
        self.audio_encoder = audio_encoder(shape.audio_width, has_residuals=shape.has_residuals)
        self.face_decoder_blocks = face_decoder(shape)
        joined = 2 * shape.decoder_width + shape.face_width
        self.output_block = nn.Sequential(
            ConvBlock(joined, shape.decoder_width, 3, 1, 1), nn.Conv2d(shape.decoder_width, 3, 1), nn.Sigmoid()
        )

    def encode_face(self, face: Tensor) -> list[Tensor]:
        """(B, 6, S, S) in 0..1 -> seven feature maps, finest first."""
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        return features

    def decode(self, code: Tensor, features: Sequence[Tensor]) -> Tensor:
        """(B, C, 1, 1) audio code and the seven features, finest first -> (B, 3, S, S) in 0..1."""
        x = code
        for block, feature in zip(self.face_decoder_blocks, reversed(features), strict=True):
            x = torch.cat((block(x), feature), dim=1)
        picture: Tensor = self.output_block(x)
        return picture

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Generate the face for one mel window.

        Args:
            mel: (B, 1, 80, 16) float32 in -4..4, newest column last.
            face: (B, 6, S, S) float32 in 0..1, BGR: target pose with its lower half zeroed, then reference.

        Returns:
            (B, 3, S, S) float32 in 0..1, BGR.
        """
        return self.decode(self.audio_encoder(mel), self.encode_face(face))
