"""Narrow networks: all layers of the real ones, and a hundredth of the work."""

from __future__ import annotations

from avatar_app.studio.nets import wav2lip
from avatar_app.studio.nets.generator import GeneratorShape
from avatar_app.studio.nets.mouth_renderer import MouthRendererShape

WAV2LIP = GeneratorShape(face_width=2, audio_width=4, decoder_width=4, has_residuals=True)
RENDERER = MouthRendererShape(n_hidden=8, n_code=4, widths=(8, 8, 8, 8))


def make_wav2lip_small(patch):
    """Make `Wav2Lip` and `Teacher` narrow."""
    patch.setattr(wav2lip, "WAV2LIP_SHAPE", WAV2LIP)
