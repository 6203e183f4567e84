"""Generators of the Wav2Lip family that compute only the lower half of the face: the rows that a mouth can reach.

A convolution with kernel 3 reaches one row up; a transposed one with stride 2 computes row y from row y // 2 and the
one below. Tracing the lower half back through the decoder gives the first row needed at each level. The result equals
that of the whole network and takes two thirds of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avatar_app.studio.nets.generator import Generator, GeneratorShape


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the decoder's seven levels that the lower half needs, deepest first.

    Attributes:
        first: first row that the features of each level must have.
        n_spare: rows that each block computes above that.
        n_cut: rows that the output block computes above the lower half.
    """

    first: tuple[int, ...]
    n_spare: tuple[int, ...]
    n_cut: int


def rows_of(shape: GeneratorShape) -> Rows:
    """Trace the lower half back through a decoder."""
    n_residuals = (1, 2, 2, 2, 2, 2) if shape.has_residuals else (0,) * 6
    # The output block's kernel reaches one row up.
    first = [shape.size_px // 2 - 1]
    n_spare: list[int] = []
    for n in reversed(n_residuals[1:]):
        before = max(0, first[0] - n) // 2
        n_spare.insert(0, first[0] - 2 * before)
        first.insert(0, before)
    # The block from 1x1 to S/32 needs all rows.
    return Rows((0, *first), (0, first[0], *n_spare), 1)


class LowerHalfGenerator(nn.Module):
    """A generator that computes the lower half of the face; subclasses implement `encode_audio`.

    Attributes:
        shape: of the generator.
        rows: the rows of its levels that are needed.
        face_encoder_blocks: named as in the published checkpoints, like the two after it.
    """

    face_encoder_blocks: nn.ModuleList
    face_decoder_blocks: nn.ModuleList
    output_block: nn.Sequential

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.shape = generator.shape
        self.rows = rows_of(self.shape)
        self.face_encoder_blocks = generator.face_encoder_blocks
        self.face_decoder_blocks = generator.face_decoder_blocks
        self.output_block = generator.output_block

    def encode_audio(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """Encode sound for the decoder.

        Args:
            mel: (B, 1, 80, 16) float32 in -4..4, newest column last.
            lookahead: (B, 4) float32, one-hot in the order of `LOOKAHEADS_MS`.

        Returns:
            (B, C, 1, 1) float32, not negative: the code.
        """
        raise NotImplementedError

    def encode_face(self, face: Tensor) -> list[Tensor]:
        """(B, 6, S, S) in 0..1 -> the rows of the seven features that the lower half needs, deepest first."""
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        return [feature[:, :, row:] for feature, row in zip(reversed(features), self.rows.first, strict=True)]

    def decoder_features(self, code: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """The seven decoder outputs joined with the face features, deepest first; feature distillation compares them.

        Args:
            code: (B, C, 1, 1) of the sound.
            features: from `encode_face`, batch B or 1.

        Returns:
            Seven (B, C_k, H_k, S_k): exact rows from `rows.first[k]` on.
        """
        levels: list[Tensor] = []
        x = code
        for block, feature, n_spare in zip(self.face_decoder_blocks, features, self.rows.n_spare, strict=True):
            x = torch.cat((block(x)[:, :, n_spare:], feature.expand(len(code), -1, -1, -1)), dim=1)
            levels.append(x)
        return levels

    def to_picture(self, decoder_features: Sequence[Tensor]) -> Tensor:
        """The lower half from the last decoder features: (B, 3, S / 2, S) float32 in 0..1, BGR."""
        picture: Tensor = self.output_block(decoder_features[-1])[:, :, self.rows.n_cut :]
        return picture

    def decode(self, code: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The lower half for a code and the features of a face; see `decoder_features`."""
        return self.to_picture(self.decoder_features(code, features))
