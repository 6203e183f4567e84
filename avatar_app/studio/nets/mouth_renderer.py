"""The network that draws: fourteen mouth parameters in, the picture of the mouth out, for one identity.

The head is at rest, so a mouth has exactly one picture and nothing needs to be averaged: a plain L1 loss stays sharp.
Convolutions run at up to a quarter of the pixels; the last one gives four sub-pixels at once (Shi et al., "Real-time
single image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016). What is the
same in all pictures is a learned base that is added, not drawn.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import PatchBox
from avatar_app.studio.mouth import N_MOUTH
from avatar_app.studio.nets.tensor_file import load_tensors, save_net

# Side of the face crop that the box lies in.
CROP_PX = 256
# Nova's mouth and chin with all that moves around them.
NOVA_BOX = PatchBox(32, 144, 192, 112)
# The first grid of features is this much smaller than the picture.
_SCALE = 16


@dataclass(frozen=True, slots=True)
class PictureShape:
    """Sizes of the network.

    Attributes:
        box: what is drawn, in pixels of the 256 px crop.
        n_hidden: units of the two layers that read the parameters.
        n_code: features per cell of the first grid that the parameters decide; the rest is learned and constant.
        widths: channels at 1/16, 1/8, 1/4 and 1/2 of the picture's size.
    """

    box: PatchBox = NOVA_BOX
    n_hidden: int = 128
    n_code: int = 48
    widths: tuple[int, int, int, int] = (128, 96, 64, 32)


class PictureNet(nn.Module):
    """Mouth parameters to pixels.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: PictureShape | None = None) -> None:
        super().__init__()
        self.shape = shape or PictureShape()
        a, b, c, d = self.shape.widths
        self._grid = (self.shape.box.h // _SCALE, self.shape.box.w // _SCALE)
        n_hidden, n_cells = self.shape.n_hidden, self._grid[0] * self._grid[1]
        self.read = nn.Sequential(
            nn.Linear(N_MOUTH, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, self.shape.n_code * n_cells),
        )
        self.place = nn.Parameter(0.5 * torch.randn(1, a - self.shape.n_code, *self._grid))
        self.blocks = nn.ModuleList(
            (
                _convs(a, a),
                _convs(a, b),
                nn.Sequential(_convs(b, c), _convs(c, c)),
                nn.Sequential(_convs(c, d), _convs(d, d)),
            )
        )
        self.subpixels = nn.Conv2d(d, 12, 3, 1, 1)
        self.base = nn.Parameter(torch.zeros(1, 3, self.shape.box.h, self.shape.box.w))
        nn.init.zeros_(self.subpixels.bias)  # type: ignore[arg-type]
        # At first the picture is the base, and only the base.
        self.subpixels.weight.data *= 0.1

    def forward(self, params: Tensor) -> Tensor:
        """Draw mouths.

        Args:
            params: (B, 14) float32 in 0..1, columns as `mouth.MOUTH_NAMES`.

        Returns:
            (B, 3, h, w) float32, about 0..1 (not clipped), BGR: the inside of `shape.box`.
        """
        code = self.read(params).view(-1, self.shape.n_code, *self._grid)
        x = torch.cat((code, self.place.expand(len(code), -1, -1, -1)), dim=1)
        for k, block in enumerate(self.blocks):
            x = block(x if k == 0 else interpolate(x, scale_factor=2.0, mode="nearest"))
        picture: Tensor = pixel_shuffle(self.subpixels(x), 2) + self.base
        return picture


def _convs(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 1, 1), nn.ReLU())


def save_picture_net(folder: Path, net: PictureNet, facts: dict[str, object]) -> None:
    """Write `picture.safetensors` and `picture.json` (sizes, and facts such as scores)."""
    save_net(folder, "picture", net, {"shape": asdict(net.shape), **facts})


def load_picture_net(folder: Path) -> PictureNet:
    """Read what `save_picture_net` wrote; the network is in evaluation mode.

    Raises:
        StudioError: files are missing or damaged.
    """
    try:
        shape: dict[str, Any] = json.loads((folder / "picture.json").read_text(encoding="utf-8"))["shape"]
        sizes = {**shape, "box": PatchBox(**shape["box"]), "widths": tuple(shape["widths"])}
        net = PictureNet(PictureShape(**sizes))
        net.load_state_dict(load_tensors(folder / "picture.safetensors")[0])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise StudioError(f"The network in {folder} cannot be read: {error}.", "Train it again.") from error
    return net.eval()
