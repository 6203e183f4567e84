"""The teacher: Wav2Lip, of which only the lower half is drawn while it learns and teaches."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.nets.lower_half import DrawsLowerHalf
from avatar_app.studio.nets.tensor_file import load_tensors, save_net
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

    def hear(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """(B, 1, 80, 16) mel, newest column 160 ms after the picture, to the code (B, 512, 1, 1)."""
        code: Tensor = self.audio_encoder(mel)
        return code

    def forward(self, mel: Tensor, features: list[Tensor]) -> Tensor:
        """(B, 1, 80, 16) mel and the features of a face to (B, 3, 48, 96) in 0..1, BGR."""
        return self.draw(self.audio_encoder(mel), features)

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
    try:
        about = json.loads((folder / "teacher.json").read_text(encoding="utf-8"))
        if about["mel_fingerprint"] != MEL.fingerprint():
            raise StudioError(f"The teacher in {folder} hears another mel spectrogram.", "Train it again.")
        net = Teacher()
        net.load_state_dict(load_tensors(folder / "teacher.safetensors")[0])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise StudioError(f"The teacher in {folder} cannot be read: {error}.", "Train it again.") from error
    return net.eval().requires_grad_(requires_grad=False)
