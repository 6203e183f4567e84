"""The offline speech teacher: speech features of a whole sound to mouth parameters, with past and future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.mouth import PHONES
from avatar_app.studio.nets.tensor_file import load_net, save_net

# Two values of the mouth curves, which have 100 Hz, in each row of 20 ms.
VALUES_PER_ROW = 2


@dataclass(frozen=True, slots=True)
class OfflineTeacherShape:
    """Sizes of the network.

    Attributes:
        n_inputs: columns of the inputs.
        width: channels of each direction.
        n_layers: recurrent layers.
        dropout: share of channels dropped in training.
    """

    n_inputs: int
    width: int = 192
    n_layers: int = 2
    dropout: float = 0.3


class OfflineTeacher(nn.Module):
    """Bidirectional recurrent network.

    Args:
        shape: its sizes.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: OfflineTeacherShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(shape.n_inputs))
        self.register_buffer("scale", torch.ones(shape.n_inputs))
        width = shape.width
        self.front = nn.Sequential(nn.Linear(shape.n_inputs, 2 * width), nn.ReLU(), nn.Dropout(shape.dropout))
        # Torch warns of dropout where there is no layer after it.
        between = shape.dropout if shape.n_layers > 1 else 0.0
        self.trunk = nn.GRU(2 * width, width, shape.n_layers, batch_first=True, dropout=between, bidirectional=True)
        self.neck = nn.Sequential(nn.LayerNorm(2 * width), nn.Dropout(shape.dropout))
        self.mouth = nn.Linear(2 * width, VALUES_PER_ROW * N_MOUTH)
        self.phones = nn.Linear(2 * width, VALUES_PER_ROW * len(PHONES))

    def standardize(self, mean: Tensor, deviation: Tensor) -> None:
        """Set mean and standard deviation of the inputs, (n_inputs,) each."""
        self.mean.copy_(mean)
        self.scale.copy_(1 / deviation.clamp_min(1e-3))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Predict mouth and phones.

        Args:
            inputs: (B, T, n_inputs) float32, a row per 20 ms.

        Returns:
            Mouth parameters (B, 14, 2 T), about 0..1 (not clipped), and phone logits (B, 40, 2 T), both at 100 Hz.
        """
        hidden = self.neck(self.trunk(self.front((inputs - self.mean) * self.scale))[0])
        return _in_time(self.mouth(hidden)), _in_time(self.phones(hidden))


def save_offline_teacher(folder: Path, net: OfflineTeacher, features: Sequence[str], facts: dict[str, object]) -> None:
    """Write `teacher.safetensors` and `teacher.json` (sizes, features, facts such as scores)."""
    save_net(folder, "teacher", net, {"shape": asdict(net.shape), "features": list(features), **facts})


def load_offline_teacher(folder: Path) -> tuple[OfflineTeacher, tuple[str, ...]]:
    """Read what `save_offline_teacher` wrote: the network in evaluation mode, and the features that it hears.

    Raises:
        StudioError: files are missing or damaged.
    """
    features: list[str] = []

    def make(facts: dict[str, Any]) -> OfflineTeacher:
        features.extend(map(str, facts["features"]))
        return OfflineTeacher(OfflineTeacherShape(**facts["shape"]))

    net = load_net(folder, "teacher", make, "offline teacher")
    return net, tuple(features)


def _in_time(rows: Tensor) -> Tensor:
    """(B, T, 2 C) to (B, C, 2 T)."""
    n, n_rows, n_columns = rows.shape
    return rows.reshape(n, n_rows * VALUES_PER_ROW, n_columns // VALUES_PER_ROW).transpose(1, 2)
