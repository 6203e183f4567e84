"""The dataset of everything that learns from pictures: rendered clips, and voices with generated pictures."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.studio.data.av_clips import AvClip, UInt8, generated_clips, rendered_av_clips, rest_clip
from avatar_app.studio.data.clips import rest_picture, still_clips
from avatar_app.studio.data.speech_corpus import Corpus, load_voices
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.mouth import lip_opening_mm
from avatar_app.studio.nets.mouth_renderer import load_mouth_renderer

log = logging.getLogger(__name__)

# Sampling ratios: rendered clips, real voices, synthetic voices, noises.
CLIPS_RATIO, REAL_RATIO, SYNTHETIC_RATIO, QUIET_RATIO = 0.4, 0.45, 0.1, 0.05


@dataclass(frozen=True)
class Dataset:
    """Audio-visual clips by split.

    Attributes:
        train: for training.
        sampling_weights: (len(train),) how often each is sampled.
        held_out: voices for validation, with generated pictures.
        test: rendered clips for the final scores, with ground truth.
        corpus: sounds to mix under voices.
        rest: (256, 256, 3) uint8 BGR, the face at rest.
        opening_mm: (14,) lip gap per unit of each mouth parameter.
    """

    train: Sequence[AvClip]
    sampling_weights: NDArray[np.float32]
    held_out: Sequence[AvClip]
    test: Sequence[AvClip]
    corpus: Corpus
    rest: UInt8
    opening_mm: NDArray[np.float32]


def load_dataset(data: Path, renderer: Path, cache: Path, voices: Path | None, n_pictures: int) -> Dataset:
    """Read clips and voices, and generate the missing pictures.

    Clips that are too short are left out with a warning.

    Args:
        data: folder that holds nova/ and speech/.
        renderer: `best` folder of the mouth renderer.
        cache: where generated pictures are kept.
        voices: where prepared sounds are kept; in `cache` when None.
        n_pictures: length of a training sample.

    Raises:
        StudioError: something in the folders is missing.
    """
    nova = data / "nova"
    sounds = load_voices(data / "speech" / "librispeech", voices or cache / "voices")
    rest = rest_picture([clip for clip in still_clips(nova) if clip.is_train])
    net, fingerprint = load_mouth_renderer(renderer), _fingerprint(renderer)

    def generated(name: str, utterances: Sequence[Utterance]) -> list[AvClip]:
        return generated_clips(utterances, net, rest, cache / f"{name}-{fingerprint}")

    groups = [
        (CLIPS_RATIO, rendered_av_clips(nova, is_train=True)),
        (REAL_RATIO, generated("train", sounds.corpus.real)),
        (SYNTHETIC_RATIO, generated("synthetic", sounds.corpus.synthetic)),
        (QUIET_RATIO, [rest_clip(u.magnitudes, rest, u.name) for u in sounds.corpus.quiet]),
    ]
    groups = [(ratio, _long_enough(clips, n_pictures)) for ratio, clips in groups]
    return Dataset(
        [clip for _, clips in groups for clip in clips],
        np.concatenate([_sampling_weights(ratio, clips) for ratio, clips in groups]),
        _long_enough(generated("held_out", sounds.held_out), n_pictures),
        rendered_av_clips(nova, is_train=False),
        sounds.corpus,
        rest,
        lip_opening_mm(nova / "rig.npz"),
    )


def _long_enough(clips: Sequence[AvClip], n_pictures: int) -> list[AvClip]:
    for clip in clips:
        if len(clip.pictures) < n_pictures:
            n = len(clip.pictures)
            log.warning("%s is left out: it has %d pictures, and a sample needs %d.", clip.name, n, n_pictures)
    return [clip for clip in clips if len(clip.pictures) >= n_pictures]


def _sampling_weights(ratio: float, clips: Sequence[AvClip]) -> NDArray[np.float32]:
    """Weights in proportion to the length of each clip, with the sum `ratio`."""
    lengths = np.array([len(clip.pictures) for clip in clips], np.float32)
    return ratio * lengths / max(float(lengths.sum()), 1.0)


def _fingerprint(renderer: Path) -> str:
    """Identifies the mouth renderer in the names of caches: each one has its own pictures."""
    return hashlib.sha256((renderer / "picture.safetensors").read_bytes()).hexdigest()[:8]
