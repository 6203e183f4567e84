"""The teacher: Wav2Lip, of which only the lower half is drawn while it learns and teaches."""

from __future__ import annotations

from torch import Tensor

from avatar_app.studio.nets.lower_half import DrawsLowerHalf
from avatar_app.studio.nets.wav2lip import Wav2Lip

# The published alignment: the window begins one picture before the one that is drawn.
TEACHER_LOOKAHEAD_MS = 160


class Teacher(DrawsLowerHalf):
    """Wav2Lip's modules by their published names; `wav2lip` gives the whole network.

    Args:
        net: whose modules these are; a new one when none is given.
    """

    def __init__(self, net: Wav2Lip | None = None) -> None:
        net = net or Wav2Lip()
        super().__init__(net)
        self.audio_encoder = net.audio_encoder

    def forward(self, mel: Tensor, features: list[Tensor]) -> Tensor:
        """(B, 1, 80, 16) mel, newest column 160 ms after the picture, to (B, 3, 48, 96) in 0..1, BGR."""
        return self.draw(self.audio_encoder(mel), features)

    def wav2lip(self) -> Wav2Lip:
        """The network as published, a copy."""
        net = Wav2Lip()
        net.load_state_dict(self.state_dict(), strict=True)
        return net.train(self.training)
