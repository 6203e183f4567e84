"""The teacher: Wav2Lip's generator (arXiv 2008.10010), 36,298,035 parameters."""

from __future__ import annotations

from avatar_app.studio.nets.generator import Generator, GeneratorShape

WAV2LIP_SHAPE = GeneratorShape(face_width=16, audio_width=32, decoder_width=32, has_residuals=True)


class Wav2Lip(Generator):
    """Wav2Lip with the names of its published checkpoint."""

    def __init__(self) -> None:
        super().__init__(WAV2LIP_SHAPE)
