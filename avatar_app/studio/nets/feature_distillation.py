"""Feature distillation: the student's seven decoder features must predict the teacher's.

The features have the same sizes in teacher and student, 1 to 96 px. Learnable 1x1 projections map the student's
channels to the teacher's, as in GAN Compression (arXiv 2003.08936) and in re-implementations of arXiv 2304.00471.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avatar_app.studio.nets.generator import GeneratorShape

# Lower limit of the variance of a level that no sound changes.
MIN_POWER = 1e-6


def n_decoder_channels(shape: GeneratorShape) -> tuple[int, ...]:
    """Channels of each level that come from the decoder, deepest first; the others come from the constant face."""
    return tuple(shape.decoder_width * k for k in (16, 16, 16, 12, 8, 4, 2))


class FeatureProjections(nn.Module):
    """Seven 1x1 convolutions from a student's decoder features to its teacher's.

    Args:
        student: shape of the student.
        teacher: shape of the teacher.
    """

    def __init__(self, student: GeneratorShape, teacher: GeneratorShape) -> None:
        super().__init__()
        self._n_student, self._n_teacher = n_decoder_channels(student), n_decoder_channels(teacher)
        # The mean is subtracted on both sides, so a bias has no effect.
        pairs = zip(self._n_student, self._n_teacher, strict=True)
        self.projections = nn.ModuleList(nn.Conv2d(n, m, 1, bias=False) for n, m in pairs)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Mean squared error of the projected features, relative to the variance of each level; 1 for no information.

        Normalising each channel instead would weight channels that hardly vary as much as those that open the mouth,
        and a small network cannot predict all of them.

        Args:
            student: seven (B, C_k, H_k, S_k).
            teacher: seven (B, D_k, H'_k, S_k), H'_k >= H_k, both ending at the lowest row.
        """
        parts = []
        for k, (projection, s, t) in enumerate(zip(self.projections, student, teacher, strict=True)):
            mapped = _centred(projection(s[:, : self._n_student[k]].float()))
            target = _centred(t[:, : self._n_teacher[k], -s.shape[2] :].float())
            parts.append((mapped - target).square().mean() / target.square().mean().clamp_min(MIN_POWER))
        return torch.stack(parts).mean()


def _centred(x: Tensor) -> Tensor:
    """Difference to the mean over the batch, which carries no information about sound."""
    return x - x.mean(0, keepdim=True)
