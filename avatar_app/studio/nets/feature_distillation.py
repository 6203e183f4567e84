"""Feature distillation: the student's seven decoder joins must tell what the teacher's tell.

The seven joins have the same sizes in teacher and student, 1 to 96 px; learnable 1x1 maps lead from the student's few
channels to the teacher's many, as in GAN Compression (arXiv 2003.08936) and in re-implementations of arXiv 2304.00471.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avatar_app.studio.nets.generator import GeneratorShape

# A join that no sound moves has nothing to say.
MIN_POWER = 1e-6


def n_moving_channels(shape: GeneratorShape) -> tuple[int, ...]:
    """Channels of each join that come from the decoder, deepest first; the others are the face's, the same always."""
    return tuple(shape.decoder_width * k for k in (16, 16, 16, 12, 8, 4, 2))


class JoinMaps(nn.Module):
    """Seven 1x1 convolutions from a student's joins to its teacher's.

    Args:
        student: shape of the student.
        teacher: shape of the teacher.
    """

    def __init__(self, student: GeneratorShape, teacher: GeneratorShape) -> None:
        super().__init__()
        self._n_student, self._n_teacher = n_moving_channels(student), n_moving_channels(teacher)
        # What all pictures share is taken off on both sides, so a bias would do nothing.
        pairs = zip(self._n_student, self._n_teacher, strict=True)
        self.maps = nn.ModuleList(nn.Conv2d(n, m, 1, bias=False) for n, m in pairs)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Mean squared distance of the mapped joins, each in units of its own spread; 1 is knowing nothing.

        Not each channel in units of its own: those that the sound hardly moves would count as much as those that open
        the mouth, and a small network cannot tell all of them.

        Args:
            student: seven (B, C_k, H_k, S_k).
            teacher: seven (B, D_k, H'_k, S_k), H'_k >= H_k, both ending at the lowest row.
        """
        parts = []
        for k, (mapping, s, t) in enumerate(zip(self.maps, student, teacher, strict=True)):
            mapped = _from_mean(mapping(s[:, : self._n_student[k]].float()))
            wanted = _from_mean(t[:, : self._n_teacher[k], -s.shape[2] :].float())
            parts.append((mapped - wanted).square().mean() / wanted.square().mean().clamp_min(MIN_POWER))
        return torch.stack(parts).mean()


def _from_mean(x: Tensor) -> Tensor:
    """What differs from picture to picture: the mean picture teaches nothing about sound."""
    return x - x.mean(0, keepdim=True)
