"""A stage made from nothing: a square mouth that opens as loud as the voice is."""

from __future__ import annotations

import numpy as np
import torch

from avatar_app.studio.data.av_clips import Scene
from avatar_app.studio.data.dataset import Stage
from avatar_app.studio.data.speech_corpus import Corpus, Utterance
from avatar_app.studio.mouth import N_MOUTH, REST

N_PICTURES = 30
OPENING_MM = np.eye(N_MOUTH, dtype=np.float32)[0] * 20


def tiny_stage(n_scenes: int = 4) -> Stage:
    rng = np.random.default_rng(0)
    scenes = [_scene(f"s{k}", rng) for k in range(n_scenes)]
    sounds = [_utterance(scene) for scene in scenes]
    rest = np.full((256, 256, 3), 120, np.uint8)
    odds = np.full(n_scenes, 1 / n_scenes, np.float32)
    corpus = Corpus(sounds, sounds, sounds)
    return Stage(scenes, odds, [_scene("h", rng)], [_scene("t", rng)], corpus, rest, OPENING_MM)


def give_weak_norms(net: torch.nn.Module) -> None:
    """Random statistics, so that evaluation with frozen norms draws more than grey."""
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)


def _scene(name: str, rng: np.random.Generator) -> Scene:
    loud = np.clip(np.convolve(rng.normal(size=N_PICTURES + 8), np.ones(5) / 2, "same")[4:-4] + 0.3, 0, 1)
    columns = np.interp(np.arange(int(N_PICTURES * 3.2)) / 3.2, np.arange(N_PICTURES) + 0.5, loud)
    magnitudes = (columns[:, None] * rng.uniform(0.2, 1, (1, 401)) * 5).astype(np.float16)
    pictures = np.full((N_PICTURES, 48, 96, 3), 120, np.uint8)
    for picture, value in zip(pictures, loud, strict=True):
        picture[20 : 20 + int(20 * value), 32:64] = 20
    mouth = np.tile(REST, (N_PICTURES, 1)).astype(np.float32)
    mouth[:, 0] = loud
    # As those that are mapped from a file are.
    pictures.flags.writeable = False
    return Scene(name, magnitudes, pictures, mouth, is_true=True)


def _utterance(scene: Scene) -> Utterance:
    n = len(scene.magnitudes)
    return Utterance(scene.name, scene.magnitudes, np.zeros((n, N_MOUTH), np.float32), np.zeros(n, np.int64), 1.0)
