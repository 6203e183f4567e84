"""The 28x student as the graph of one step: the same result from fewer and larger operations.

The rewrites, and why the result stays equal:

- Batch norm in evaluation is a factor and a summand: both are merged into the convolution before it.
- A convolution of concatenated sound and face is the sum of one of each. The face is constant, so its part becomes a
  map that is computed once and added: this saves a quarter of the work, and every concatenation.
- The audio encoders of the four look-aheads run as one encoder with grouped convolutions; a product with the one-hot
  look-ahead selects one of the codes.
- For INT8, transposed convolutions become ordinary ones on packed pixels (`subpixel`).

Attributes of the modules name the nodes of published graphs, and `publish.unpack` finds weights by these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avatar_app.studio.nets.generator import ConvBlock, UpBlock
from avatar_app.studio.nets.nova96 import N_CODE, Nova96
from avatar_app.studio.nets.subpixel import pack, packed_up_weight, packed_weight, pointwise_packed_weight, unpack

Layer = TypeVar("Layer", bound=nn.Module)

N_LEVELS = 7
MAP_NAMES = tuple(f"face_{k}" for k in range(N_LEVELS))
TILE_NAMES = tuple(f"tiles_{k}" for k in range(N_LEVELS))


class DecoderWeights:
    """The decoder of a student in evaluation mode with merged norms; each convolution has a sound and a face part.

    Attributes:
        read: the first convolution, applied to the code.
        ups: the six transposed convolutions, deepest first.
        out: the convolution of the last decoder features.
        last: the convolution to colours.
        n_audio: number of inputs of the ups and of `out` that depend on sound; the others depend on the face.
        n_spare: rows that each of the ups computes above the needed ones.
    """

    def __init__(self, net: Nova96) -> None:
        blocks: list[nn.Sequential] = list(net.face_decoder_blocks)  # type: ignore[arg-type]
        self.read = merged(blocks[0][0])
        self.ups: list[nn.ConvTranspose2d] = [merged(block[0]) for block in blocks[1:]]
        self.out: nn.Conv2d = merged(net.output_block[0])
        self.last = _copied(net.output_block[1])
        self.n_audio = [self.read.out_channels, *(up.out_channels for up in self.ups)]
        self.n_spare = net.rows.n_spare[1:]
        # The packed pixels of the last level begin here.
        assert self.n_spare[-1] == net.rows.n_cut == 1  # noqa: S101

    def audio_part(self, level: int) -> Tensor:
        """The part of a level's weight for inputs from sound; level 6 is `out`."""
        n = self.n_audio[level]
        return self.out.weight[:, :n] if level == len(self.ups) else self.ups[level].weight[:n]

    def face_part(self, level: int) -> Tensor:
        """The part for inputs from the face."""
        n = self.n_audio[level]
        return self.out.weight[:, n:] if level == len(self.ups) else self.ups[level].weight[n:]


class FoldedAudioEncoder(nn.Module):
    """The audio encoders of all look-aheads as one."""

    def __init__(self, net: Nova96) -> None:
        super().__init__()
        first = [merged(layer) for layer in net.shared_audio_encoder.children()]
        encoders = [[merged(layer) for layer in encoder.children()] for encoder in net.audio_encoders]
        grouped = [_grouped(layers) for layers in zip(*encoders, strict=True)]
        # The input of the first separate layer is the same for all look-aheads.
        grouped[0] = _ungrouped(grouped[0])
        self.layers = nn.Sequential(*(module for conv in (*first, *grouped) for module in (conv, nn.ReLU())))

    def forward(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """(1, 1, 80, 16) mel and one-hot (1, 4) -> (1, 128) code."""
        codes: Tensor = self.layers(mel).view(-1, N_CODE)
        return lookahead @ codes


class FoldedStudent(nn.Module):
    """The student for floating point; it keeps transposed convolutions, which take the least work."""

    def __init__(self, net: Nova96) -> None:
        super().__init__()
        weights = DecoderWeights(net)
        self.hear = FoldedAudioEncoder(net)
        self.read = _linear(weights.read.weight.flatten(1), weights.read.bias)
        self.first = _linear(_from_one_pixel(weights))
        self.ups = nn.ModuleList(_up(weights.audio_part(k)) for k in range(1, N_LEVELS - 1))
        self.out = _conv(weights.audio_part(N_LEVELS - 1))
        self.last = weights.last
        self.n_spare = weights.n_spare[1:]

    def forward(self, mel: Tensor, lookahead: Tensor, *maps: Tensor) -> Tensor:
        """Generate the lower half of the face.

        Args:
            mel: (1, 1, 80, 16) float32 in -4..4, newest column last.
            lookahead: (1, 4) float32, one-hot.
            *maps: from `FaceMaps`, named `MAP_NAMES`.

        Returns:
            (1, 3, 48, 96) float32 in 0..1, BGR.
        """
        x = _first_pixels(self, mel, lookahead, maps[0])
        for up, n_spare, face_map in zip(self.ups, self.n_spare, maps[1:], strict=False):
            x = torch.relu(up(x)[:, :, n_spare:] + face_map)
        return torch.sigmoid(self.last(torch.relu(self.out(pad(x, (1, 1, 0, 1))) + maps[-1])))


class PackedStudent(nn.Module):
    """The student for INT8: ordinary convolutions only, the last levels packed."""

    def __init__(self, net: Nova96) -> None:
        super().__init__()
        weights = DecoderWeights(net)
        self.hear = FoldedAudioEncoder(net)
        self.read = _linear(weights.read.weight.flatten(1), weights.read.bias)
        # The zero bias keeps engines from taking the face map for a bias: INT8 kernels need a constant bias.
        self.first = _linear(_from_one_pixel(weights), torch.zeros(N_CODE * 6))
        self.ups = nn.ModuleList(_conv(packed_up_weight(weights.audio_part(k))) for k in range(1, N_LEVELS - 1))
        self.out = _conv(packed_weight(weights.audio_part(N_LEVELS - 1)))
        assert weights.last.bias is not None  # noqa: S101  it has one
        self.last = _conv(pointwise_packed_weight(weights.last.weight), weights.last.bias.repeat(4))
        self.n_spare = weights.n_spare[1:]

    def forward(self, mel: Tensor, lookahead: Tensor, *tiles: Tensor) -> Tensor:
        """Generate the lower half, as `FoldedStudent` does, from maps named `TILE_NAMES`."""
        # INT8 kernels use the channels-last layout: with tiles in it, no step has to transpose them.
        face_maps = [tile.permute(0, 3, 1, 2) for tile in tiles[1:]]
        x = _first_pixels(self, mel, lookahead, tiles[0])
        for k, (up, n_spare) in enumerate(zip(self.ups, self.n_spare, strict=True)):
            x = torch.relu(up(pad(x, (0, 1, 0, 1))) + face_maps[k])
            if k < len(self.ups) - 1:
                x = unpack(x)[:, :, n_spare:]
        x = torch.relu(self.out(pad(x, (1, 1, 0, 1))) + face_maps[-1])
        height, width = 2 * x.shape[2], 2 * x.shape[3]
        return unpack(torch.sigmoid(self.last(x)))[:, :, 1 : height - 1, 1 : width - 1]


class FaceMaps(nn.Module):
    """The graph that runs once per identity: the summand of the face at each level."""

    def __init__(self, net: Nova96) -> None:
        super().__init__()
        self.net = net
        self.weights = DecoderWeights(net)

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """The maps for both students, deepest first.

        Args:
            face: (1, 6, 96, 96) float32 in 0..1, BGR.

        Returns:
            Seven for `FoldedStudent`: (1, 768), then (1, C, H, W); seven for `PackedStudent`: (1, 768), then
            (1, H / 2, W / 2, 4 C).
        """
        features = self.net.encode_face(face)
        weights = self.weights
        whole = [self._whole(k, feature) for k, feature in enumerate(features[:-1])]
        maps = [x[:, :, n:] for x, n in zip(whole, weights.n_spare, strict=True)]
        maps[0] = maps[0].flatten(1)
        tiles = [maps[0], *(_channels_last(pack(x)) for x in whole[1:])]
        face_part, bias = weights.face_part(N_LEVELS - 1), weights.out.bias
        maps.append(conv2d(pad(features[-1], (1, 1, 0, 1)), face_part, bias))
        # Packed blocks begin one pixel further left, and one row above the lower half.
        tiles.append(_channels_last(pack(conv2d(pad(features[-1], (2, 2, 1, 2)), face_part, bias))))
        return *maps, *tiles

    def _whole(self, level: int, feature: Tensor) -> Tensor:
        """The summand of the face in the output of a level's transposed convolution."""
        bias = self.weights.ups[level].bias
        stride, padding, extra = (1, 0, 0) if level == 0 else (2, 1, 1)
        return conv_transpose2d(feature, self.weights.face_part(level), bias, stride, padding, extra)


def merged(block: nn.Module) -> Any:
    """The convolution of a block with its norm merged; a transposed one stays transposed."""
    assert isinstance(block, ConvBlock | UpBlock)  # noqa: S101
    conv, norm = block.conv_block
    fused: Any = fuse_conv_bn_eval(conv, norm, transpose=isinstance(block, UpBlock))  # type: ignore[type-var, arg-type]
    return fused.requires_grad_(False)


def _grouped(convs: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """One grouped convolution of several, each with its own inputs."""
    first = convs[0]
    n_in, n_out = len(convs) * first.in_channels, len(convs) * first.out_channels
    conv = nn.Conv2d(n_in, n_out, first.kernel_size, first.stride, first.padding, groups=len(convs))  # type: ignore[arg-type]
    return _filled(conv, torch.cat([c.weight for c in convs]), torch.cat([c.bias for c in convs if c.bias is not None]))


def _ungrouped(conv: nn.Conv2d) -> nn.Conv2d:
    """One convolution of the groups of another, all with the same input."""
    n_in = conv.in_channels // conv.groups
    plain = nn.Conv2d(n_in, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)  # type: ignore[arg-type]
    return _filled(plain, conv.weight, conv.bias)


def _from_one_pixel(weights: DecoderWeights) -> Tensor:
    """The first of the ups, from one pixel to 3x3, as a matrix for the needed rows."""
    kernel = weights.audio_part(0)[:, :, weights.n_spare[0] :]
    return kernel.permute(1, 2, 3, 0).flatten(0, 2)


def _first_pixels(student: nn.Module, mel: Tensor, lookahead: Tensor, face_map: Tensor) -> Tensor:
    """From sound to the (1, 128, 2, 3) features of the first level with several pixels."""
    x = torch.relu(student.read(student.hear(mel, lookahead)))  # type: ignore[operator]
    x = torch.relu(student.first(x) + face_map)  # type: ignore[operator]
    return x.view(1, N_CODE, -1, 3)


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    return _filled(nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None), weight, bias)


def _conv(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    n_out, n_in, *kernel = weight.shape
    conv = nn.Conv2d(n_in, n_out, tuple(kernel), bias=bias is not None)  # type: ignore[arg-type]
    return _filled(conv, weight, bias)


def _up(weight: Tensor) -> nn.ConvTranspose2d:
    return _filled(nn.ConvTranspose2d(weight.shape[0], weight.shape[1], 3, 2, 1, 1, bias=False), weight, None)


def _copied(conv: nn.Module) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d)  # noqa: S101
    return _conv(conv.weight, conv.bias)


def _filled(layer: Layer, weight: Tensor, bias: Tensor | None) -> Layer:
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).contiguous()
