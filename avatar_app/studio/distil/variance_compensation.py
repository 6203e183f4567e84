"""Variance compensation: restores the motion of a distilled student.

Where a network is uncertain, training on pixels makes it predict the mean: its mouths open and close less than the
ground truth (decision 0006). For each look-ahead, the last layer of the audio encoder is scaled around its mean until
the standard deviation of the lip gap read from generated pictures is high enough. Inference does not change.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.av_clips import AvClip, UInt8, whole_clip
from avatar_app.studio.metrics.generators import generated_clip, mouths
from avatar_app.studio.metrics.scores import OpeningReader
from avatar_app.studio.nets.generator import ConvBlock
from avatar_app.studio.nets.nova96 import Nova96

log = logging.getLogger(__name__)

# Target for the ratio of standard deviations; the teacher has 0.85. A higher target costs more quality than it adds
# motion (decision 0014).
TARGET_RATIO = 0.89
GAINS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5)


def compensate_variance(net: Nova96, clips: Sequence[AvClip], rest: UInt8, reader: OpeningReader) -> dict[int, float]:
    """Scale the code of each look-ahead by the smallest sufficient gain.

    Args:
        net: the student in evaluation mode, changed in place.
        clips: held-out speakers with pictures.
        rest: (256, 256, 3) uint8 BGR, the face at rest.
        reader: reads the lip gap from pictures.

    Returns:
        The gain of each look-ahead in ms.
    """
    gains = {}
    for ms in LOOKAHEADS_MS:
        mean = mean_code(net, clips, ms)
        for gain in GAINS:
            scaled = copy.deepcopy(net)
            scale_code(scaled, ms, mean, gain)
            ratio = deviation_ratio(scaled, clips, rest, reader, ms)
            log.info("look-ahead %d ms, gain %.2f: %.3f of the true standard deviation", ms, gain, ratio)
            if ratio >= TARGET_RATIO or gain == GAINS[-1]:
                if ratio < TARGET_RATIO:
                    short = 100 * (TARGET_RATIO - ratio)
                    log.warning("look-ahead %d ms: the motion stays %.0f %% below the target", ms, short)
                scale_code(net, ms, mean, gain)
                gains[ms] = gain
                break
    return gains


@torch.no_grad()
def mean_code(net: Nova96, clips: Sequence[AvClip], lookahead_ms: int) -> Tensor:
    """(128,): the mean output of the last layer of an audio encoder, before its ReLU."""
    encoder = _encoder(net, lookahead_ms)
    windows = [whole_clip(clip).mel_windows([lookahead_ms]) for clip in clips]
    inputs = torch.cat([encoder[:-1](net.shared_audio_encoder(x)) for x in windows])
    codes: Tensor = _last(encoder).conv_block(inputs)
    return codes.flatten(1).mean(0)


@torch.no_grad()
def scale_code(net: Nova96, lookahead_ms: int, mean: Tensor, gain: float) -> None:
    """Multiply the difference of the code to its mean by `gain`."""
    norm = _last(_encoder(net, lookahead_ms)).conv_block[1]
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101
    norm.weight.mul_(gain)
    norm.bias.mul_(gain).add_((1 - gain) * mean)


def deviation_ratio(
    net: Nova96, clips: Sequence[AvClip], rest: UInt8, reader: OpeningReader, lookahead_ms: int
) -> float:
    """Standard deviation of the lip gap in generated pictures over that in the ground truth, mean over clips."""
    ratios = []
    for clip in clips:
        deviation = reader.read(mouths(generated_clip(net, clip, rest, lookahead_ms).pictures)).std()
        ratios.append(deviation / max(float(reader.read(mouths(clip.pictures)).std()), 1e-6))
    return float(np.mean(ratios))


def _encoder(net: Nova96, lookahead_ms: int) -> nn.Sequential:
    encoder = net.audio_encoders[LOOKAHEADS_MS.index(lookahead_ms)]
    assert isinstance(encoder, nn.Sequential)  # noqa: S101  a ModuleList forgets what it holds
    return encoder


def _last(encoder: nn.Sequential) -> ConvBlock:
    last = encoder[-1]
    assert isinstance(last, ConvBlock)  # noqa: S101
    return last
