"""Everything that is learned from in pixels: rendered clips, and voices with pictures drawn for them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.studio.data.av_clips import Scene, UInt8, clip_scenes, drawn_scenes, rest_scene
from avatar_app.studio.data.clips import rest_picture, still_clips
from avatar_app.studio.data.speech_corpus import Corpus, Utterance, load_voices
from avatar_app.studio.mouth import lip_opening_mm
from avatar_app.studio.nets.mouth_renderer import load_picture_net

log = logging.getLogger(__name__)

# Shares of what is taken: clips with their own pictures, real voices, synthetic ones, sounds that are no speech.
CLIPS_SHARE, REAL_SHARE, SYNTHETIC_SHARE, QUIET_SHARE = 0.4, 0.45, 0.1, 0.05


@dataclass(frozen=True)
class Stage:
    """Scenes by use.

    Attributes:
        train: to learn from.
        odds: (len(train),) how often each is taken.
        held_out: voices to choose by, with drawn pictures.
        test: rendered clips to report on, with their own pictures.
        corpus: sounds to lay under voices.
        rest: (256, 256, 3) uint8 BGR, the face at rest.
        opening_mm: (14,) lip gap per unit of each mouth parameter.
    """

    train: Sequence[Scene]
    odds: NDArray[np.float32]
    held_out: Sequence[Scene]
    test: Sequence[Scene]
    corpus: Corpus
    rest: UInt8
    opening_mm: NDArray[np.float32]


def load_stage(data: Path, picture: Path, cache: Path, voices: Path | None, n_pictures: int) -> Stage:
    """Read clips and voices, and draw the pictures that are missing.

    What is too short to be taken from is left out, with a line that says so.

    Args:
        data: folder that holds nova/ and speech/.
        picture: `best` folder of the network that draws.
        cache: where drawn pictures are kept.
        voices: where prepared sounds are kept; in `cache` when None.
        n_pictures: as many as training takes at once.

    Raises:
        StudioError: something in the folders is missing.
    """
    nova = data / "nova"
    sounds = load_voices(data / "speech" / "librispeech", voices or cache / "voices")
    rest = rest_picture([clip for clip in still_clips(nova) if clip.is_train])
    net, mark = load_picture_net(picture), _mark(picture)

    def drawn(name: str, utterances: Sequence[Utterance]) -> list[Scene]:
        return drawn_scenes(utterances, net, rest, cache / f"{name}-{mark}")

    groups = [
        (CLIPS_SHARE, clip_scenes(nova, is_train=True)),
        (REAL_SHARE, drawn("train", sounds.corpus.real)),
        (SYNTHETIC_SHARE, drawn("synthetic", sounds.corpus.synthetic)),
        (QUIET_SHARE, [rest_scene(u.magnitudes, rest, u.name) for u in sounds.corpus.quiet]),
    ]
    groups = [(share, _long_enough(scenes, n_pictures)) for share, scenes in groups]
    return Stage(
        [scene for _, scenes in groups for scene in scenes],
        np.concatenate([_odds(share, scenes) for share, scenes in groups]),
        _long_enough(drawn("held_out", sounds.held_out), n_pictures),
        clip_scenes(nova, is_train=False),
        sounds.corpus,
        rest,
        lip_opening_mm(nova / "rig.npz"),
    )


def _long_enough(scenes: Sequence[Scene], n_pictures: int) -> list[Scene]:
    for scene in scenes:
        if len(scene.pictures) < n_pictures:
            n = len(scene.pictures)
            log.warning("%s is left out: it has %d pictures, and %d are taken at once.", scene.name, n, n_pictures)
    return [scene for scene in scenes if len(scene.pictures) >= n_pictures]


def _odds(share: float, scenes: Sequence[Scene]) -> NDArray[np.float32]:
    """A long scene is taken more often than a short one."""
    lengths = np.array([len(scene.pictures) for scene in scenes], np.float32)
    return share * lengths / max(float(lengths.sum()), 1.0)


def _mark(picture: Path) -> str:
    """A short name for the network that draws: pictures of another one must not be taken for its own."""
    return hashlib.sha256((picture / "picture.safetensors").read_bytes()).hexdigest()[:8]
