"""Tiny clips of a person: Nova's face with a dark rectangle as the mouth, moved by the parameters."""

import numpy as np

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.live.frame import Avatar
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.paths import demo_sample
from avatar_app.studio.enrol.person.material import PersonClip

N_PICTURES = 25
SAMPLES_PER_PICTURE = 640
SPLITS = (Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST)


def person_clips(splits=SPLITS, n=N_PICTURES) -> list[PersonClip]:
    """One clip for each split, of a second each."""
    voice = read_audio(demo_sample())
    return [one_clip(f"clip{k}", split, voice[k * n * SAMPLES_PER_PICTURE :], n, k) for k, split in enumerate(splits)]


def one_clip(name: str, split: Split, voice: np.ndarray, n: int, seed: int) -> PersonClip:
    """The first parameter is the height of the rectangle; the light of each picture differs."""
    rng = np.random.default_rng(seed)
    face = Avatar.load("nova").reference
    params = np.zeros((n, N_MOUTH), np.float32)
    params[:, 0] = 0.5 + 0.5 * np.sin(np.arange(n) * 0.9 + seed)
    light = rng.integers(-10, 11, n)
    pictures = np.clip(face[None].astype(np.int16) + light[:, None, None, None], 0, 255).astype(np.uint8)
    for picture, height in zip(pictures, params[:, 0], strict=True):
        picture[198 : 198 + round(30 * float(height)), 104:152] = 15
    pose_deg = rng.normal(0, 2, (n, 3)).astype(np.float32)
    gap = (0.25 * params[:, 0]).astype(np.float32)
    sound = voice[: n * SAMPLES_PER_PICTURE].astype(np.float32)
    return PersonClip(name, split, pictures, params, pose_deg, np.ones(n, bool), sound, gap, take=name, first=0)
