"""Our own sync expert: scores how well a sound matches five consecutive pictures of a mouth.

SyncNet (Chung and Zisserman, "Out of time", 2016) in the form of Wav2Lip's expert (arXiv 2008.10010): two encoders
whose embeddings have length one and no negative components, so that their cosine lies in 0..1. It has a fifth of the
parameters, because its data has one identity in one light.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.nets.generator import ConvBlock, audio_encoder, residuals
from avatar_app.studio.nets.tensor_file import load_net, save_net

AUDIO_WIDTH = 16
N_EMBEDDING = 16 * AUDIO_WIDTH


class SyncExpert(nn.Module):
    """Embeds sounds and pictures of mouths; the cosine of two embeddings scores their match."""

    def __init__(self) -> None:
        super().__init__()
        self.video_encoder = nn.Sequential(
            ConvBlock(15, 32, 5, 2, 2),
            *(ConvBlock(32, 64, 3, 2, 1), *residuals(64, 1)),
            *(ConvBlock(64, 128, 3, 2, 1), *residuals(128, 1)),
            *(ConvBlock(128, 256, 3, 2, 1), *residuals(256, 1)),
            ConvBlock(256, N_EMBEDDING, (3, 6)),
            ConvBlock(N_EMBEDDING, N_EMBEDDING, 1),
        )
        self.audio_encoder = audio_encoder(AUDIO_WIDTH, has_residuals=True)
        # Temperature of the contrastive loss; used in training only.
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def embed_audio(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) float32 in -4..4 -> (B, 256), length 1, not negative."""
        return normalize(self.audio_encoder(mel).flatten(1), dim=1)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """(B, 15, 48, 96) float32 in 0..1, five lower halves, BGR -> (B, 256), length 1, not negative."""
        return normalize(self.video_encoder(pictures).flatten(1), dim=1)

    def forward(self, mel: Tensor, pictures: Tensor) -> Tensor:
        """The cosine of pairs, (B,) in 0..1."""
        return (self.embed_audio(mel) * self.embed_pictures(pictures)).sum(dim=1)


def save_expert(folder: Path, net: SyncExpert, facts: dict[str, object]) -> None:
    """Write `expert.safetensors` and `expert.json` (mel fingerprint, facts such as scores)."""
    save_net(folder, "expert", net, {"mel_fingerprint": MEL.fingerprint(), **facts})


def load_expert(folder: Path) -> SyncExpert:
    """Read what `save_expert` wrote; the network is frozen and in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram, or the expert is not
            reliable enough.
    """

    def make(facts: Mapping[str, Any]) -> SyncExpert:
        if not facts["is_reliable"]:
            found = facts["held_out"]["found_single_ratio"]
            raise StudioError(
                f"The sync expert in {folder} finds the shift of {found:.0%} of held-out pairs, which is too few.",
                "Train it longer, or on more clips.",
            )
        return SyncExpert()

    return load_net(folder, "expert", make, "sync expert").requires_grad_(requires_grad=False)
