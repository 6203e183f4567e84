"""The 28x student for one fixed identity and four look-aheads, with the arithmetic of the published network.

Everything that does not depend on sound is computed once. The four look-aheads share the face encoder, the decoder and
the first layers of the audio encoder. The decoder computes only the rows that the mouth can reach. For each look-ahead
the weights form a complete `Student28x`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.nets.generator import audio_encoder
from avatar_app.studio.nets.lower_half import LowerHalfGenerator
from avatar_app.studio.nets.student28x import AUDIO_WIDTH, Student28x
from avatar_app.studio.nets.tensor_file import load_net, save_net

LOOKAHEAD_MS = (0, 40, 80, 160)
N_CODE = 16 * AUDIO_WIDTH
N_SHARED_LAYERS = 3


class Nova96(LowerHalfGenerator):
    """Four audio encoders with shared first layers, one face encoder, one decoder."""

    def __init__(self) -> None:
        template = Student28x()
        super().__init__(template)
        self.shared_audio_encoder = template.audio_encoder[:N_SHARED_LAYERS]
        self.audio_encoders = nn.ModuleList(
            audio_encoder(self.shape.audio_width, has_residuals=False)[N_SHARED_LAYERS:] for _ in LOOKAHEAD_MS
        )

    def student(self, lookahead_ms: int) -> Student28x:
        """A copy of the complete 28x student of one look-ahead."""
        # The layers of both halves keep their published indices.
        halves = (self.shared_audio_encoder, self.audio_encoders[LOOKAHEAD_MS.index(lookahead_ms)])
        own = {f"audio_encoder.{name}": value for half in halves for name, value in half.state_dict().items()}
        common = {
            n: v for n, v in self.state_dict().items() if not n.startswith(("shared_audio_encoder.", "audio_encoders."))
        }
        net = Student28x()
        net.load_state_dict(own | common, strict=True)
        return net.train(self.training)

    def encode_audio(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """Encode sound for a look-ahead.

        Args:
            mel: (B, 1, 80, 16) float32 in -4..4, newest column last.
            lookahead: (B, 4) float32, one-hot in the order of `LOOKAHEAD_MS`.

        Returns:
            (B, 128, 1, 1) float32, not negative.
        """
        shared = self.shared_audio_encoder(mel)
        codes = torch.cat([encoder(shared).flatten(2) for encoder in self.audio_encoders], dim=2)
        return (codes * lookahead.unsqueeze(1)).sum(dim=2)[:, :, None, None]

    def forward(self, mel: Tensor, lookahead: Tensor, *features: Tensor) -> Tensor:
        """The graph of one frame: `encode_audio`, then `decode`."""
        return self.decode(self.encode_audio(mel, lookahead), features)


def save_student(folder: Path, net: Nova96, facts: dict[str, object]) -> None:
    """Write `nova96.safetensors` and `nova96.json` (mel fingerprint, look-aheads, facts such as scores)."""
    save_net(folder, "nova96", net, {"mel_fingerprint": MEL.fingerprint(), "lookahead_ms": list(LOOKAHEAD_MS), **facts})


def load_student(folder: Path) -> Nova96:
    """Read what `save_student` wrote; the network is in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram.
    """
    return load_net(folder, "nova96", lambda _: Nova96(), "student")
