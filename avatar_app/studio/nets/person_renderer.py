"""A mouth renderer while it learns from a video, in which not the mouth alone changes.

The head turns a little, the light changes, and the fourteen parameters do not describe all of a mouth. A plain loss
would make the network render the mean of all these pictures, which is blurred. So the network gets further inputs in
training: measured nuisances, and for each picture a small correction of its parameters and a few learned numbers
(Bojanowski et al., "Optimizing the latent space of generative networks", 2018). They enter the first layer. For the
live program they become constants of its bias, and the network is an ordinary `MouthRenderer`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.nets.mouth_renderer import MouthRenderer

# Initial scale of the first layer's weights for nuisances, relative to torch's default.
_INITIAL_SCALE = 0.3


class PersonRenderer(nn.Module):
    """Renders the mouth from its parameters and from nuisances.

    Args:
        renderer: the network to continue from; it becomes a part of this one.
        n_nuisances: measured numbers of each picture.
        n_latents: learned numbers of each picture.
    """

    def __init__(self, renderer: MouthRenderer, n_nuisances: int, n_latents: int) -> None:
        super().__init__()
        self.renderer = renderer
        self.nuisance = nn.Linear(n_nuisances + n_latents, renderer.shape.n_hidden, bias=False)
        self.nuisance.weight.data *= _INITIAL_SCALE

    def forward(self, params: Tensor, nuisances: Tensor, latents: Tensor | None = None) -> Tensor:
        """Render mouths.

        Args:
            params: (B, 14) float32 in 0..1, columns as `mouth.MOUTH_NAMES`.
            nuisances: (B, n_nuisances) float32; 0 is normal.
            latents: (B, n_latents) float32; None means 0.

        Returns:
            (B, 3, h, w) float32, about 0..1, BGR.
        """
        hidden = self.renderer.read[0](params) + self._shift(nuisances, latents)
        picture: Tensor = self.renderer.decode(self.renderer.read[1:](hidden))
        return picture

    @torch.no_grad()
    def folded(self, nuisances: Tensor) -> MouthRenderer:
        """A mouth renderer that renders what this network renders with constant nuisances and zero latents.

        Args:
            nuisances: (n_nuisances,) float32.
        """
        renderer = copy.deepcopy(self.renderer)
        first = renderer.read[0]
        assert isinstance(first, nn.Linear)  # noqa: S101
        first.bias.add_(self._shift(nuisances[None], None)[0])
        return renderer.eval()

    def _shift(self, nuisances: Tensor, latents: Tensor | None) -> Tensor:
        if latents is None:
            latents = nuisances.new_zeros(len(nuisances), self.nuisance.in_features - nuisances.shape[1])
        shift: Tensor = self.nuisance(torch.cat((nuisances, latents), dim=1))
        return shift


class PictureTable(nn.Module):
    """What is learned about each picture: a correction of its parameters, and its latents; all 0 at first.

    Args:
        n_pictures: number of pictures.
        n_latents: learned numbers of each picture.
        reach: (14,) float32, largest correction of each parameter.
    """

    reach: Tensor

    def __init__(self, n_pictures: int, n_latents: int, reach: Tensor) -> None:
        super().__init__()
        self.register_buffer("reach", reach)
        self.corrections = nn.Parameter(torch.zeros(n_pictures, N_MOUTH))
        self.latents = nn.Parameter(torch.zeros(n_pictures, n_latents))

    def corrected(self, params: Tensor, chosen: Tensor) -> Tensor:
        """(B, 14) parameters of the chosen pictures, each moved by less than `reach`."""
        return params + self.reach * torch.tanh(self.corrections[chosen])
