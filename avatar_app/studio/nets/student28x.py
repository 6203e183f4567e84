"""The student: Wav2Lip without residual blocks at a quarter of the width (arXiv 2304.00471)."""

from __future__ import annotations

from avatar_app.studio.nets.generator import Generator, GeneratorShape

# See `GeneratorShape`. Wav2Lip is four times as wide.
FACE_WIDTH, AUDIO_WIDTH, DECODER_WIDTH = 4, 8, 8


class Student28x(Generator):
    """The 28x student with the names of its published checkpoint: 1,258,143 parameters at 96 px.

    Args:
        size_px: side of the face, 96 or 128 in the published code.
    """

    def __init__(self, size_px: int = 96) -> None:
        super().__init__(GeneratorShape(FACE_WIDTH, AUDIO_WIDTH, DECODER_WIDTH, has_residuals=False, size_px=size_px))
