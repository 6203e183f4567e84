"""The mouth renderer: fourteen mouth parameters to a picture of the mouth, for one identity.

The head is at rest, so each set of parameters has exactly one picture and a plain L1 loss gives sharp results.
Convolutions run at a quarter of the resolution or less; the last one computes 2x2 sub-pixels (Shi et al., "Real-time
single image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016). A learned
base picture holds what is common to all pictures; the network renders the difference to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from avatar_app.contracts.mouth import N_MOUTH, PatchBox
from avatar_app.studio.nets.tensor_file import load_net, save_net

# Side of the face crop that the box lies in.
CROP_PX = 256
# Mouth and chin of Nova, with everything that moves around them.
NOVA_BOX = PatchBox(32, 144, 192, 112)
# Downscaling of the first feature grid.
_SCALE = 16


@dataclass(frozen=True, slots=True)
class MouthRendererShape:
    """Sizes of the network.

    Attributes:
        box: the rendered region, in pixels of the 256 px crop.
        n_hidden: units of the two hidden layers.
        n_code: features per cell of the first grid that depend on the parameters; the others are learned constants.
        widths: channels at 1/16, 1/8, 1/4 and 1/2 of the picture's size.
    """

    box: PatchBox = NOVA_BOX
    n_hidden: int = 128
    n_code: int = 48
    widths: tuple[int, int, int, int] = (128, 96, 64, 32)


class MouthRenderer(nn.Module):
    """Renders the mouth from its parameters.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: MouthRendererShape | None = None) -> None:
        super().__init__()
        self.shape = shape or MouthRendererShape()
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
        # Training starts from the base picture.
        self.subpixels.weight.data *= 0.1

    def forward(self, params: Tensor) -> Tensor:
        """Render mouths.

        Args:
            params: (B, 14) float32 in 0..1, columns as `mouth.MOUTH_NAMES`.

        Returns:
            (B, 3, h, w) float32, about 0..1 (not clipped), BGR: the inside of `shape.box`.
        """
        return self.decode(self.read(params))

    def decode(self, code: Tensor) -> Tensor:
        """Render mouths from the output of `read`, (B, n_code * cells) float32."""
        code = code.view(-1, self.shape.n_code, *self._grid)
        x = torch.cat((code, self.place.expand(len(code), -1, -1, -1)), dim=1)
        for k, block in enumerate(self.blocks):
            x = block(x if k == 0 else interpolate(x, scale_factor=2.0, mode="nearest"))
        picture: Tensor = pixel_shuffle(self.subpixels(x), 2) + self.base
        return picture


def _convs(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 1, 1), nn.ReLU())


def save_mouth_renderer(folder: Path, net: MouthRenderer, facts: dict[str, object]) -> None:
    """Write `picture.safetensors` and `picture.json` (sizes, and facts such as scores)."""
    save_net(folder, "picture", net, {"shape": asdict(net.shape), **facts})


def load_mouth_renderer(folder: Path) -> MouthRenderer:
    """Read what `save_mouth_renderer` wrote; the network is in evaluation mode.

    Raises:
        StudioError: files are missing or damaged.
    """
    return load_net(folder, "picture", lambda facts: MouthRenderer(_shape_from(facts["shape"])), "mouth renderer")


def _shape_from(sizes: Mapping[str, Any]) -> MouthRendererShape:
    """The shape in a JSON file."""
    return MouthRendererShape(**{**sizes, "box": PatchBox(**sizes["box"]), "widths": tuple(sizes["widths"])})
