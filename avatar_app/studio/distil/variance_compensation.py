"""Gives a distilled student the strength of true mouths back.

Learned from pictures, a network that is not sure says the mean of them: its mouths open and close less than true ones
(decision 0006). The last layer of each look-ahead's ear is stretched around its mean until the opening that is read
from the drawn pictures spreads as far as the true one; nothing is added at run time.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.av_clips import Scene, UInt8, whole
from avatar_app.studio.metrics.generators import generated_clip, mouths
from avatar_app.studio.metrics.scores import OpeningReader
from avatar_app.studio.nets.generator import ConvBlock
from avatar_app.studio.nets.nova96 import Nova96

log = logging.getLogger(__name__)

# Of the true spread; the teacher's is 0.85. The last few hundredths cost more than they add to motion (decision 0014).
AIM = 0.89
GAINS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5)


def strengthen(net: Nova96, scenes: Sequence[Scene], rest: UInt8, reader: OpeningReader) -> dict[int, float]:
    """Stretch every look-ahead of a student in place, as little as is enough.

    Args:
        net: in evaluation mode.
        scenes: voices that it did not learn from, with pictures.
        rest: (256, 256, 3) uint8 BGR, the face it sees.
        reader: reads the lip gap from pictures.

    Returns:
        The gain of each look-ahead in ms.
    """
    gains = {}
    for ms in LOOKAHEADS_MS:
        mean = mean_code(net, scenes, ms)
        for gain in GAINS:
            stretched = copy.deepcopy(net)
            stretch_code(stretched, ms, mean, gain)
            spread = spread_ratio(stretched, scenes, rest, reader, ms)
            log.info("look-ahead %d ms, gain %.2f: mouths spread %.3f of the true", ms, gain, spread)
            if spread >= AIM or gain == GAINS[-1]:
                if spread < AIM:
                    log.warning("look-ahead %d ms: mouths stay %.0f %% short of the aim", ms, 100 * (AIM - spread))
                stretch_code(net, ms, mean, gain)
                gains[ms] = gain
                break
    return gains


@torch.no_grad()
def mean_code(net: Nova96, scenes: Sequence[Scene], lookahead_ms: int) -> Tensor:
    """(128,): what an ear's last layer says on average, before its ReLU."""
    encoder = _encoder(net, lookahead_ms)
    heard = [encoder[:-1](net.ear(whole(scene).windows([lookahead_ms]))) for scene in scenes]
    codes: Tensor = _last(encoder).conv_block(torch.cat(heard))
    return codes.flatten(1).mean(0)


@torch.no_grad()
def stretch_code(net: Nova96, lookahead_ms: int, mean: Tensor, gain: float) -> None:
    """Let an ear's last layer differ from its mean by `gain` times as much."""
    norm = _last(_encoder(net, lookahead_ms)).conv_block[1]
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101
    norm.weight.mul_(gain)
    norm.bias.mul_(gain).add_((1 - gain) * mean)


def spread_ratio(net: Nova96, scenes: Sequence[Scene], rest: UInt8, reader: OpeningReader, lookahead_ms: int) -> float:
    """Standard deviation of the opening read from drawn pictures over that from true ones, mean over scenes."""
    ratios = []
    for scene in scenes:
        drawn = reader.read(mouths(generated_clip(net, scene, rest, lookahead_ms).pictures)).std()
        ratios.append(drawn / max(float(reader.read(mouths(scene.pictures)).std()), 1e-6))
    return float(np.mean(ratios))


def _encoder(net: Nova96, lookahead_ms: int) -> nn.Sequential:
    encoder = net.audio_encoders[LOOKAHEADS_MS.index(lookahead_ms)]
    assert isinstance(encoder, nn.Sequential)  # noqa: S101  a ModuleList forgets what it holds
    return encoder


def _last(encoder: nn.Sequential) -> ConvBlock:
    last = encoder[-1]
    assert isinstance(last, ConvBlock)  # noqa: S101
    return last
