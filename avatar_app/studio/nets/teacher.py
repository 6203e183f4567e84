"""The teacher: Wav2Lip, which computes only the lower half of the face in training and distillation."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.nets.lower_half import LowerHalfGenerator
from avatar_app.studio.nets.tensor_file import load_net, save_net
from avatar_app.studio.nets.wav2lip import Wav2Lip

# The published alignment: the mel window begins one picture before the output picture.
TEACHER_LOOKAHEAD_MS = 160


class Teacher(LowerHalfGenerator):
    """Wav2Lip's modules by their published names; `wav2lip` gives the whole network.

    Args:
        net: the network whose modules to use; a new one when None.
    """

    def __init__(self, net: Wav2Lip | None = None) -> None:
        net = net or Wav2Lip()
        super().__init__(net)
        self.audio_encoder = net.audio_encoder

    def encode_audio(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """(B, 1, 80, 16) mel, newest column 160 ms after the picture, to the code (B, 512, 1, 1)."""
        code: Tensor = self.audio_encoder(mel)
        return code

    def forward(self, mel: Tensor, features: list[Tensor]) -> Tensor:
        """(B, 1, 80, 16) mel and the features of a face to (B, 3, 48, 96) in 0..1, BGR."""
        return self.decode(self.audio_encoder(mel), features)

    def wav2lip(self) -> Wav2Lip:
        """The network as published, a copy."""
        net = Wav2Lip()
        net.load_state_dict(self.state_dict(), strict=True)
        return net.train(self.training)


def save_teacher(folder: Path, net: Teacher, facts: dict[str, object]) -> None:
    """Write `teacher.safetensors` and `teacher.json` (mel fingerprint, facts such as scores)."""
    save_net(
        folder, "teacher", net, {"mel_fingerprint": MEL.fingerprint(), "lookahead_ms": [TEACHER_LOOKAHEAD_MS], **facts}
    )


def load_teacher(folder: Path) -> Teacher:
    """Read what `save_teacher` wrote; the network is frozen and in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram.
    """
    return load_net(folder, "teacher", lambda _: Teacher(), "teacher").requires_grad_(requires_grad=False)
