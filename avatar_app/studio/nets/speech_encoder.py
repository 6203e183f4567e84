"""The speech encoder: mel columns to the fourteen mouth parameters, for all look-aheads at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.mouth import PHONES
from avatar_app.studio.nets.tensor_file import load_net, save_net

# The first convolution spans four columns with stride two; all other layers work on that grid of 25 ms.
_FRONT_COLUMNS = 4
STEP_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class SpeechEncoderShape:
    """Sizes of the network.

    Attributes:
        width: channels of the trunk.
        dilations: of its three-tap convolutions, on the grid of two mel columns.
        dropout: share of channels dropped in training.
        front_widths: channels of the three convolutions over frequency.
    """

    width: int = 224
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 1)
    dropout: float = 0.15
    front_widths: tuple[int, int, int] = (16, 32, 48)

    @property
    def window_columns(self) -> int:
        """Mel columns in the receptive field of one output."""
        return _FRONT_COLUMNS + STEP_COLUMNS * 2 * sum(self.dilations)


PUBLISHED_SHAPE = SpeechEncoderShape()


class SpeechEncoder(nn.Module):
    """Mel spectrogram to mouth parameters.

    The window of output n of a sequence ends at mel column `window_columns - 1 + 2 n`. Head i predicts the mouth at
    `LOOKAHEADS_MS[i]` before that newest column.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: SpeechEncoderShape | None = None) -> None:
        super().__init__()
        self.shape = shape or SpeechEncoderShape()
        width = self.shape.width
        self.front = _Front(self.shape.front_widths, width)
        self.trunk = nn.Sequential(*(_Block(width, d, self.shape.dropout) for d in self.shape.dilations))
        self.neck = nn.Sequential(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.mouth = nn.Conv1d(width, len(LOOKAHEADS_MS) * N_MOUTH, 1)
        self.phones = nn.Conv1d(width, len(LOOKAHEADS_MS) * len(PHONES), 1)

    @property
    def window_columns(self) -> int:
        """Mel columns in the receptive field of one output."""
        return self.shape.window_columns

    def features(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, T) float32 in -4..4 to (B, width, N), N = (T - window_columns) // 2 + 1."""
        out: Tensor = self.neck(self.trunk(self.front(mel)))
        return out

    def forward(self, mel: Tensor) -> Tensor:
        """Predict mouth parameters.

        Args:
            mel: (B, 1, 80, T) float32 in -4..4, newest column last; T = `window_columns` gives N = 1.

        Returns:
            (B, 4, 14, N) float32, about 0..1 (not clipped), heads as `LOOKAHEADS_MS`, rows as `mouth.MOUTH_NAMES`.
        """
        return self._by_head(self.mouth(self.features(mel)), N_MOUTH)

    def forward_with_phones(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """The mouth as in `forward`, and phone logits (B, 4, 40, N), which only training needs."""
        features = self.features(mel)
        return self._by_head(self.mouth(features), N_MOUTH), self._by_head(self.phones(features), len(PHONES))

    @staticmethod
    def _by_head(x: Tensor, n_rows: int) -> Tensor:
        return x.reshape(x.shape[0], len(LOOKAHEADS_MS), n_rows, x.shape[-1])


class _Front(nn.Module):
    """Convolutions over frequency, so that the shifted formants of another voice form the same pattern."""

    def __init__(self, widths: Sequence[int], n_out: int) -> None:
        super().__init__()
        a, b, c = widths
        self.layers = nn.Sequential(
            nn.Conv2d(1, a, (5, _FRONT_COLUMNS), (2, STEP_COLUMNS), bias=False),
            nn.BatchNorm2d(a),
            nn.ReLU(),
            nn.Conv2d(a, b, (3, 1), (2, 1), bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, c, (3, 1), (2, 1), bias=False),
            nn.BatchNorm2d(c),
            nn.ReLU(),
        )
        n_rows = (((MEL.n_mels - 5) // 2 + 1 - 3) // 2 + 1 - 3) // 2 + 1
        self.mix = nn.Sequential(nn.Conv1d(c * n_rows, n_out, 1, bias=False), nn.BatchNorm1d(n_out), nn.ReLU())

    def forward(self, mel: Tensor) -> Tensor:
        out: Tensor = self.mix(self.layers(mel).flatten(1, 2))
        return out


class _Block(nn.Module):
    """Residual block of a three-tap dilated convolution and a 1x1 one; shortens the sequence by two dilations."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 3, dilation=dilation, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout1d(dropout),
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        # The shortcut ends at the same newest column as the taps do.
        return torch.relu(x[:, :, self.cut :] + self.layers(x))


def save_speech_encoder(folder: Path, net: SpeechEncoder, facts: dict[str, object]) -> None:
    """Write `speech.safetensors` and `speech.json` (sizes, mel fingerprint, look-aheads, facts such as scores)."""
    save_net(
        folder,
        "speech",
        net,
        {
            "shape": asdict(net.shape),
            "window_columns": net.shape.window_columns,
            "mel_fingerprint": MEL.fingerprint(),
            "lookahead_ms": list(LOOKAHEADS_MS),
            **facts,
        },
    )


def load_speech_encoder(folder: Path) -> SpeechEncoder:
    """Read what `save_speech_encoder` wrote; the network is in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram.
    """
    return load_net(folder, "speech", lambda facts: SpeechEncoder(shape_from(facts["shape"])), "speech encoder")


def shape_from(sizes: Mapping[str, Any]) -> SpeechEncoderShape:
    """The shape in a JSON file, where tuples are lists."""
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in sizes.items()}
    return SpeechEncoderShape(**values)
