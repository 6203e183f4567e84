"""The 28x student for one fixed identity and four look-aheads, without a multiply-add of it changed.

Everything that does not depend on sound is computed once; the four look-aheads share face encoder, decoder and the
first layers of the audio encoder, whose work is the same for all; only the rows that the mouth can reach are drawn.
Each look-ahead's network is, weight for weight, a `Student28x`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avatar_app.studio.nets.generator import GeneratorShape, audio_encoder, face_decoder, face_encoder
from avatar_app.studio.nets.student28x import Student28x

LOOKAHEAD_MS = (0, 40, 80, 160)
FEATURE_NAMES = tuple(f"face_{k}" for k in range(7))
N_CODE = 128
N_SHARED_LAYERS = 3
# First row that each decoder level must have so that rows 48..95 come out exact (kernel 3 reaches one row up), and how
# many more than that each block delivers: from rows r on it draws rows 2r on.
FIRST_ROWS = (0, 1, 2, 5, 11, 23, 46)
N_ROWS_SPARE = (0, 1, 0, 1, 1, 1, 0)
N_ROWS_CUT = 2
PATCH_TOP_PX = 48


class Nova96(nn.Module):
    """Four audio encoders that begin alike, one face encoder, one decoder."""

    def __init__(self) -> None:
        super().__init__()
        template = Student28x()
        self.shape: GeneratorShape = template.shape
        self.ear = template.audio_encoder[:N_SHARED_LAYERS]
        self.audio_encoders = nn.ModuleList(
            audio_encoder(self.shape.audio_width, has_residuals=False)[N_SHARED_LAYERS:] for _ in LOOKAHEAD_MS
        )
        self.face_encoder_blocks = face_encoder(self.shape.face_width, self.shape.size_px, has_residuals=False)
        self.face_decoder_blocks = face_decoder(self.shape)
        self.output_block = template.output_block

    def student(self, lookahead_ms: int) -> Student28x:
        """The complete 28x student of one look-ahead, a copy."""
        # Both halves of an encoder keep the layers' published numbers.
        halves = (self.ear, self.audio_encoders[LOOKAHEAD_MS.index(lookahead_ms)])
        own = {f"audio_encoder.{name}": value for half in halves for name, value in half.state_dict().items()}
        common = {n: v for n, v in self.state_dict().items() if not n.startswith(("ear.", "audio_encoders."))}
        net = Student28x()
        net.load_state_dict(own | common, strict=True)
        return net.train(self.training)

    def encode_face(self, face: Tensor) -> list[Tensor]:
        """(B, 6, 96, 96) in 0..1 -> the rows of the seven features that the patch needs, deepest first."""
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        return [feature[:, :, row:] for feature, row in zip(reversed(features), FIRST_ROWS, strict=True)]

    def hear(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """The code of the look-ahead that is asked for.

        Args:
            mel: (B, 1, 80, 16) float32 in -4..4, newest column last.
            lookahead: (B, 4) float32, one-hot in the order of `LOOKAHEAD_MS`.

        Returns:
            (B, 128, 1, 1) float32, not negative.
        """
        heard = self.ear(mel)
        codes = torch.cat([encoder(heard).flatten(2) for encoder in self.audio_encoders], dim=2)
        return (codes * lookahead.unsqueeze(1)).sum(dim=2)[:, :, None, None]

    def draw(self, code: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The lower half of the face.

        Args:
            code: (B, 128, 1, 1), from `hear`.
            features: from `encode_face`, batch B or 1.

        Returns:
            (B, 3, 48, 96) float32 in 0..1, BGR: rows 48..95.
        """
        x = code
        for block, feature, n_spare in zip(self.face_decoder_blocks, features, N_ROWS_SPARE, strict=True):
            x = torch.cat((block(x)[:, :, n_spare:], feature.expand(len(code), -1, -1, -1)), dim=1)
        picture: Tensor = self.output_block(x)[:, :, N_ROWS_CUT:]
        return picture

    def forward(self, mel: Tensor, lookahead: Tensor, *features: Tensor) -> Tensor:
        """The graph of one frame: `hear`, then `draw`."""
        return self.draw(self.hear(mel, lookahead), features)


class FaceGraph(nn.Module):
    """The graph that runs once per identity: (1, 6, 96, 96) face -> the seven features, deepest first."""

    def __init__(self, net: Nova96) -> None:
        super().__init__()
        self.net = net

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """See `Nova96.encode_face`."""
        return tuple(self.net.encode_face(face))
