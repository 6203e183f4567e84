"""The 28x student for one fixed identity and four look-aheads, without a multiply-add of it changed.

Everything that does not depend on sound is computed once; the four look-aheads share face encoder, decoder and the
first layers of the audio encoder, whose work is the same for all; only the rows that the mouth can reach are drawn.
Each look-ahead's network is, weight for weight, a `Student28x`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avatar_app.studio.nets.generator import audio_encoder
from avatar_app.studio.nets.lower_half import DrawsLowerHalf
from avatar_app.studio.nets.student28x import Student28x

LOOKAHEAD_MS = (0, 40, 80, 160)
N_CODE = 128
N_SHARED_LAYERS = 3


class Nova96(DrawsLowerHalf):
    """Four audio encoders that begin alike, one face encoder, one decoder."""

    def __init__(self) -> None:
        template = Student28x()
        super().__init__(template)
        self.ear = template.audio_encoder[:N_SHARED_LAYERS]
        self.audio_encoders = nn.ModuleList(
            audio_encoder(self.shape.audio_width, has_residuals=False)[N_SHARED_LAYERS:] for _ in LOOKAHEAD_MS
        )

    def student(self, lookahead_ms: int) -> Student28x:
        """The complete 28x student of one look-ahead, a copy."""
        # Both halves of an encoder keep the layers' published numbers.
        halves = (self.ear, self.audio_encoders[LOOKAHEAD_MS.index(lookahead_ms)])
        own = {f"audio_encoder.{name}": value for half in halves for name, value in half.state_dict().items()}
        common = {n: v for n, v in self.state_dict().items() if not n.startswith(("ear.", "audio_encoders."))}
        net = Student28x()
        net.load_state_dict(own | common, strict=True)
        return net.train(self.training)

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

    def forward(self, mel: Tensor, lookahead: Tensor, *features: Tensor) -> Tensor:
        """The graph of one frame: `hear`, then `draw`."""
        return self.draw(self.hear(mel, lookahead), features)
