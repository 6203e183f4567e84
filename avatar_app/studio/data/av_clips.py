"""Scenes: a voice with the pictures of Nova that belong to it.

The rendered clips bring their pictures. For a voice without any, the network that draws gives the picture of each
instant of its curve, so that all voices can be learned from in pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_app.contracts.errors import AudioInputError, StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.studio import arithmetic
from avatar_app.studio.data.augmentation import ChangeRanges, change_voices
from avatar_app.studio.data.cache_file import make_current, read_facts, write_facts, write_pictures
from avatar_app.studio.data.clips import FPS, GET_THE_DATA, Clip, read_clips, still_clips
from avatar_app.studio.data.faces import SIZE_PX, TOP_PX, lower_half
from avatar_app.studio.data.mel import linear_magnitudes, mel_from_magnitudes
from avatar_app.studio.data.speech_batches import columns_at, mouth_at
from avatar_app.studio.data.speech_corpus import Corpus, Utterance
from avatar_app.studio.mouth import CURVE_HZ, REST
from avatar_app.studio.nets.mouth_renderer import PictureNet

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

WINDOW_COLUMNS = 16
# What the sync expert sees at once: as long as a mel window sounds.
N_EXPERT_PICTURES = 5
COLUMNS_PER_PICTURE = MEL.columns_per_s / FPS
DRAW_BATCH = 64
# 80 dB below full scale: a mouth that moves to this has lost its sound.
SILENT_RMS = 1e-4


@dataclass(frozen=True, slots=True)
class Scene:
    """A voice and its pictures; picture k shows (k + 0.5) / 25 s.

    Attributes:
        name: of the clip or recording.
        magnitudes: (T, 401) float16, a row per mel column.
        pictures: (n, 48, 96, 3) uint8 BGR, the lower half of the face; may be mapped from a file.
        mouth: (n, 14) float32, what they show.
        is_true: the pictures came with the sound; else they were drawn from its curve.
    """

    name: str
    magnitudes: NDArray[np.float16]
    pictures: UInt8
    mouth: Float32
    is_true: bool


@dataclass(frozen=True, slots=True)
class Takes:
    """A batch of short pieces of scenes.

    Attributes:
        mel: (B, 1, 80, C) float32, enough columns for every look-ahead; see `window`.
        pictures: (B, n, 3, 48, 96) float32 in 0..1, BGR: consecutive pictures.
        mouth: (B, n, 14) float32.
    """

    mel: Tensor
    pictures: Tensor
    mouth: Tensor

    def windows(self, lookaheads_ms: Sequence[int]) -> Tensor:
        """What is heard at each picture.

        Args:
            lookaheads_ms: of each piece.

        Returns:
            (B * n, 1, 80, 16): pictures of a piece one after the other.
        """
        windows = []
        for mel, lookahead_ms in zip(self.mel, lookaheads_ms, strict=True):
            ends = [WINDOW_COLUMNS + newest_column(k, lookahead_ms) for k in range(self.pictures.shape[1])]
            windows += [mel[..., end - WINDOW_COLUMNS : end] for end in ends]
        return torch.stack(windows)

    def part(self, pieces: slice, device: torch.device) -> Takes:
        """Some of the pieces, on a device."""
        parts = (self.mel, self.pictures, self.mouth)
        return Takes(*(part[pieces].to(device) for part in parts))

    def utterances(self) -> Tensor:
        """(B, n - 4, 1, 80, 16): the sound that lasts as long as five pictures, from the start of each on."""
        n = self.pictures.shape[1] - N_EXPERT_PICTURES + 1
        starts = [round(WINDOW_COLUMNS - 1 + (k - 0.5) * COLUMNS_PER_PICTURE) for k in range(n)]
        return torch.stack([self.mel[..., start : start + WINDOW_COLUMNS] for start in starts], dim=1)

    def mouthfuls(self) -> Tensor:
        """(B, n - 4, 15, 48, 96): five consecutive pictures, one after the other in the channels."""
        return stack_pictures(self.pictures)


def stack_pictures(pictures: Tensor) -> Tensor:
    """(B, n, 3, 48, 96) -> (B, n - 4, 15, 48, 96): what the sync expert looks at."""
    n = pictures.shape[1] - N_EXPERT_PICTURES + 1
    return torch.stack([pictures[:, k : k + N_EXPERT_PICTURES].flatten(1, 2) for k in range(n)], dim=1)


def newest_column(k: int, lookahead_ms: int) -> int:
    """Newest mel column that picture k of a piece may see, column 0 being the instant of its first picture."""
    return round(k * COLUMNS_PER_PICTURE + lookahead_ms * MEL.columns_per_s / 1000)


def clip_scenes(nova: Path, *, is_train: bool) -> list[Scene]:
    """The rendered clips of one split.

    A clip that cannot be read, or has no sound to speak of, is left out, with a line that says which and why.

    Raises:
        StudioError: the list of clips cannot be read.
    """
    scenes = []
    for clip, frames, mouth in read_clips([clip for clip in still_clips(nova) if clip.is_train == is_train]):
        try:
            samples = read_sound(clip)
        except (AudioInputError, StudioError) as error:
            log.warning("%s is left out: %s", clip.name, error)
            continue
        magnitudes = linear_magnitudes(samples).astype(np.float16)
        scenes.append(Scene(clip.name, magnitudes, np.stack([lower_half(f) for f in frames]), mouth, is_true=True))
    return scenes


def read_sound(clip: Clip) -> Float32:
    """What a clip sounds like, (n,) float32 at 16 kHz.

    Raises:
        AudioInputError: it cannot be read.
        StudioError: it is shorter than a mel window, or silent.
    """
    samples = read_audio(clip.folder / "audio.flac")
    if len(samples) < (WINDOW_COLUMNS - 1) * MEL.hop_samples:
        raise StudioError(f"The sound of {clip.name} is shorter than a mel window.", GET_THE_DATA)
    if np.sqrt(np.mean(np.square(samples))) < SILENT_RMS:
        raise StudioError(f"The sound of {clip.name} is silent.", GET_THE_DATA)
    return samples


def drawn_scenes(utterances: Sequence[Utterance], net: PictureNet, rest: UInt8, cache: Path) -> list[Scene]:
    """Voices with pictures drawn from their curves; drawn once into `cache`, then mapped from there.

    Args:
        utterances: the voices.
        net: draws.
        rest: (256, 256, 3) uint8 BGR, the face around what is drawn.
        cache: a folder for this network; pictures of other voices that it holds are replaced.

    Raises:
        StudioError: the cache cannot be written.
    """
    if not utterances:
        return []
    mouths = [_mouth_at_pictures(utterance) for utterance in utterances]
    file, shape = cache / "drawn.json", (sum(map(len, mouths)), TOP_PX, SIZE_PX, 3)
    wanted = {"voices": [[u.name, len(mouth)] for u, mouth in zip(utterances, mouths, strict=True)]}
    if read_facts(file) == {"n_pictures": shape[0]}:
        # From before voices were named: as many pictures as these need are taken for theirs.
        write_facts(file, wanted)
    make_current(
        file, wanted, lambda: write_pictures(cache / "drawn.npy", shape, _draw_all(np.concatenate(mouths), net, rest))
    )
    pictures = np.load(cache / "drawn.npy", mmap_mode="r")
    ends = np.cumsum([len(mouth) for mouth in mouths])
    pieces = np.split(pictures, ends[:-1])
    return [
        Scene(u.name, u.magnitudes, piece, mouth, is_true=False)
        for u, piece, mouth in zip(utterances, pieces, mouths, strict=True)
    ]


def rest_scene(magnitudes: NDArray[np.float16], rest: UInt8, name: str) -> Scene:
    """A sound that is no speech, with the mouth at rest."""
    n = int(len(magnitudes) / COLUMNS_PER_PICTURE)
    picture = lower_half(rest)
    pictures = np.broadcast_to(picture, (n, *picture.shape))
    return Scene(name, magnitudes, pictures, np.broadcast_to(REST, (n, len(REST))), is_true=True)


def draw_takes(
    scenes: Sequence[Scene],
    odds: Float32,
    corpus: Corpus,
    n_takes: int,
    n_pictures: int,
    rng: np.random.Generator,
    changes: ChangeRanges | None = None,
) -> Takes:
    """Random pieces of scenes in changed voices; all chance from `rng`.

    Args:
        scenes: to take from; each has at least `n_pictures`.
        odds: (len(scenes),) how often each is taken.
        corpus: noises and other people, to lie under the voices.
        n_takes: pieces.
        n_pictures: consecutive pictures in each.
        rng: all chance.
        changes: how far voices change; None leaves them as they are.
    """
    chosen = [scenes[int(k)] for k in rng.choice(len(scenes), n_takes, p=odds / odds.sum())]
    firsts = [int(rng.integers(len(scene.pictures) - n_pictures + 1)) for scene in chosen]
    n_columns = WINDOW_COLUMNS + newest_column(n_pictures - 1, 160)
    voices = np.stack([_piece(s, k, n_columns) for s, k in zip(chosen, firsts, strict=True)])
    noise = np.stack([_anywhere(corpus.quiet, n_columns, rng) for _ in range(n_takes)])
    babble = np.stack([_anywhere(corpus.real, n_columns, rng) for _ in range(n_takes)])
    ranges = changes or NO_CHANGE
    mel = change_voices(torch.from_numpy(voices), torch.from_numpy(noise), torch.from_numpy(babble), rng, ranges)
    pieces = [slice(k, k + n_pictures) for k in firsts]
    pictures = np.stack([scene.pictures[piece] for scene, piece in zip(chosen, pieces, strict=True)])
    mouth = np.stack([scene.mouth[piece] for scene, piece in zip(chosen, pieces, strict=True)])
    return Takes(
        mel[:, None],
        torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 255,
        torch.from_numpy(mouth),
    )


def whole(scene: Scene) -> Takes:
    """All pictures of a scene as one piece, in its own voice."""
    n_columns = WINDOW_COLUMNS + newest_column(len(scene.pictures) - 1, 160)
    mel = mel_from_magnitudes(torch.from_numpy(_piece(scene, 0, n_columns)))
    pictures = torch.from_numpy(np.array(scene.pictures)).permute(0, 3, 1, 2)[None].float() / 255
    return Takes(mel[None, None], pictures, torch.from_numpy(scene.mouth[None]))


# Only noise under what is silent altogether, for that is what `change_voices` does to silence.
NO_CHANGE = ChangeRanges(
    warp_probability=0, eq_db=0, band_probability=0, reverb_probability=0, noise_probability=0, level_db=(0, 0),
    mask_probability=0,
)  # fmt: skip


def mel_of(scene: Scene, n_before: int, n_after: int) -> Float32:
    """Clean mel columns of a whole scene, (80, T), with silence before and after it."""
    padded = np.pad(scene.magnitudes.astype(np.float32), ((n_before, n_after), (0, 0)))
    return np.asarray(mel_from_magnitudes(torch.from_numpy(padded)).numpy())


def column_of(k: int) -> float:
    """The mel column at the instant of picture k."""
    return (k + 0.5) * COLUMNS_PER_PICTURE


def _piece(scene: Scene, first: int, n_columns: int) -> Float32:
    start = column_of(first) - (WINDOW_COLUMNS - 1)
    return columns_at(scene.magnitudes, start + np.arange(n_columns, dtype=np.float64))


def _anywhere(pool: Sequence[Utterance], n_columns: int, rng: np.random.Generator) -> Float32:
    magnitudes = pool[int(rng.integers(len(pool)))].magnitudes
    first = int(rng.integers(max(1, len(magnitudes) - n_columns)))
    return columns_at(magnitudes, np.arange(first, first + n_columns, dtype=np.float64))


def _mouth_at_pictures(utterance: Utterance) -> Float32:
    n = max(1, int(len(utterance.mouth) / CURVE_HZ * FPS))
    return mouth_at(utterance, (np.arange(n) + 0.5) / FPS)[0].T.copy()


@torch.no_grad()
def _draw_all(mouths: Float32, net: PictureNet, rest: UInt8) -> Iterator[UInt8]:
    """Lower halves in pieces, (n, 48, 96, 3)."""
    box = net.shape.box
    crop = rest.copy()
    for start in range(0, len(mouths), DRAW_BATCH):
        with arithmetic.autocast(torch.device("cpu")):
            drawn = net(torch.from_numpy(mouths[start : start + DRAW_BATCH])).float()
        pixels = (drawn.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        halves = []
        for picture in pixels:
            crop[box.y : box.y + box.h, box.x : box.x + box.w] = picture
            halves.append(lower_half(crop))
        yield np.stack(halves)
        if start // DRAW_BATCH % 100 == 0:
            log.info("%d of %d pictures drawn", start, len(mouths))
