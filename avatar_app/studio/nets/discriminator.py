"""The visual quality discriminator of Wav2Lip (arXiv 2008.10010); used by the ablation and by `--quality`."""

from __future__ import annotations

from torch import Tensor, nn

WIDTH = 32


class QualityDiscriminator(nn.Module):
    """Plain convolutions without norms, from the lower half of a face to one number.

    Args:
        width: channels of the first of seven stages; 32 is the published one, with 14.11 million parameters.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        w = [width * k for k in (1, 2, 4, 8, 16, 16, 16)]
        self.face_encoder_blocks = nn.ModuleList(
            [
                _stage((3, w[0], 7, 1, 3)),
                _stage((w[0], w[1], 5, (1, 2), 2), (w[1], w[1], 5, 1, 2)),
                _stage((w[1], w[2], 5, 2, 2), (w[2], w[2], 5, 1, 2)),
                _stage((w[2], w[3], 5, 2, 2), (w[3], w[3], 5, 1, 2)),
                _stage((w[3], w[4], 3, 2, 1), (w[4], w[4], 3, 1, 1)),
                _stage((w[4], w[5], 3, 2, 1), (w[5], w[5], 3, 1, 1)),
                _stage((w[5], w[6], 3, 1, 0), (w[6], w[6], 1, 1, 0)),
            ]
        )
        self.binary_pred = nn.Conv2d(w[6], 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, 48, 96) in 0..1 -> (B,) logits: above 0 for a real picture."""
        x = pictures
        for stage in self.face_encoder_blocks:
            x = stage(x)
        logits: Tensor = self.binary_pred(x).flatten()
        return logits


def _stage(*convs: tuple[int, int, int, int | tuple[int, int], int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for conv in convs:
        layers += [nn.Conv2d(*conv), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)
