"""A synthetic dataset: a square mouth that opens with the loudness of the voice."""

from __future__ import annotations

import numpy as np
import torch

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.data.av_clips import AvClip
from avatar_app.studio.data.dataset import Dataset
from avatar_app.studio.data.speech_corpus import Corpus, Utterance
from avatar_app.studio.mouth import REST

N_PICTURES = 30
OPENING_MM = np.eye(N_MOUTH, dtype=np.float32)[0] * 20


def tiny_dataset(n_clips: int = 4) -> Dataset:
    rng = np.random.default_rng(0)
    clips = [_clip(f"s{k}", rng) for k in range(n_clips)]
    sounds = [_utterance(clip) for clip in clips]
    rest = np.full((256, 256, 3), 120, np.uint8)
    weights = np.full(n_clips, 1 / n_clips, np.float32)
    corpus = Corpus(sounds, sounds, sounds)
    return Dataset(clips, weights, [_clip("h", rng)], [_clip("t", rng)], corpus, rest, OPENING_MM)


def give_weak_norms(net: torch.nn.Module) -> None:
    """Random norm statistics, so that the output of a new network varies."""
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)


def _clip(name: str, rng: np.random.Generator) -> AvClip:
    loud = np.clip(np.convolve(rng.normal(size=N_PICTURES + 8), np.ones(5) / 2, "same")[4:-4] + 0.3, 0, 1)
    columns = np.interp(np.arange(int(N_PICTURES * 3.2)) / 3.2, np.arange(N_PICTURES) + 0.5, loud)
    magnitudes = (columns[:, None] * rng.uniform(0.2, 1, (1, 401)) * 5).astype(np.float16)
    pictures = np.full((N_PICTURES, 48, 96, 3), 120, np.uint8)
    for picture, value in zip(pictures, loud, strict=True):
        picture[20 : 20 + int(20 * value), 32:64] = 20
    mouth = np.tile(REST, (N_PICTURES, 1)).astype(np.float32)
    mouth[:, 0] = loud
    # Read-only, like mapped pictures.
    pictures.flags.writeable = False
    return AvClip(name, magnitudes, pictures, mouth, is_ground_truth=True)


def _utterance(clip: AvClip) -> Utterance:
    n = len(clip.magnitudes)
    return Utterance(clip.name, clip.magnitudes, np.zeros((n, N_MOUTH), np.float32), np.zeros(n, np.int64), 1.0)
