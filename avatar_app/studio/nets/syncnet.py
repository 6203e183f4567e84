"""The published sync expert: scores how well a sound matches five pictures (arXiv 2008.10010, `SyncNet_color`)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize

from avatar_app.studio.nets.generator import ConvBlock, residuals


class SyncNet(nn.Module):
    """Embeds sounds and pictures of mouths; the cosine of two embeddings scores their match."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = _face_encoder()
        self.audio_encoder = _audio_encoder()

    def forward(self, mel: Tensor, mouths: Tensor) -> tuple[Tensor, Tensor]:
        """Embed pairs of sound and picture.

        Args:
            mel: (B, 1, 80, 16) float32 in -4..4.
            mouths: (B, 15, 48, 96) float32 in 0..1, the lower halves of five BGR frames, one after the other.

        Returns:
            Audio and video embeddings, (B, 512) each, of length 1 and never negative.
        """
        audio = normalize(self.audio_encoder(mel).flatten(1), dim=1)
        video = normalize(self.face_encoder(mouths).flatten(1), dim=1)
        return audio, video


def _face_encoder() -> nn.Sequential:
    return nn.Sequential(
        ConvBlock(15, 32, 7, 1, 3),
        *(ConvBlock(32, 64, 5, (1, 2), 1), *residuals(64, 2)),
        *(ConvBlock(64, 128, 3, 2, 1), *residuals(128, 3)),
        *(ConvBlock(128, 256, 3, 2, 1), *residuals(256, 2)),
        *(ConvBlock(256, 512, 3, 2, 1), *residuals(512, 2)),
        ConvBlock(512, 512, 3, 2, 1),
        ConvBlock(512, 512, 3),
        ConvBlock(512, 512, 1),
    )


def _audio_encoder() -> nn.Sequential:
    return nn.Sequential(
        *(ConvBlock(1, 32, 3, 1, 1), *residuals(32, 2)),
        *(ConvBlock(32, 64, 3, (3, 1), 1), *residuals(64, 2)),
        *(ConvBlock(64, 128, 3, 3, 1), *residuals(128, 2)),
        *(ConvBlock(128, 256, 3, (3, 2), 1), *residuals(256, 2)),
        ConvBlock(256, 512, 3),
        ConvBlock(512, 512, 1),
    )
