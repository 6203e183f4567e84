"""Audio-visual clips: a voice with the pictures of Nova that match it.

Rendered clips have their own pictures. For any other voice, the mouth renderer generates a picture for each instant of
its mouth curve, so that networks can learn from all voices in pixels.
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
from avatar_app.studio.data.augmentation import AugmentationRanges, augment
from avatar_app.studio.data.cache_file import make_current, write_pictures
from avatar_app.studio.data.clips import FPS, GET_THE_DATA, Clip, read_clips, still_clips
from avatar_app.studio.data.faces import SIZE_PX, TOP_PX, lower_half
from avatar_app.studio.data.mel import linear_magnitudes, mel_from_magnitudes
from avatar_app.studio.data.speech_batches import columns_at, mouth_at
from avatar_app.studio.data.speech_corpus import Corpus
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.mouth import CURVE_HZ, REST
from avatar_app.studio.nets.mouth_renderer import MouthRenderer

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

WINDOW_COLUMNS = 16
# Input of the sync expert: as long as a mel window.
N_EXPERT_PICTURES = 5
COLUMNS_PER_PICTURE = MEL.columns_per_s / FPS
RENDER_BATCH = 64
# 80 dB below full scale; such a clip has lost its sound.
SILENT_RMS = 1e-4


@dataclass(frozen=True, slots=True)
class AvClip:
    """A voice and its pictures; picture k shows the instant (k + 0.5) / 25 s.

    Attributes:
        name: of the clip or recording.
        magnitudes: (T, 401) float16, a row per mel column.
        pictures: (n, 48, 96, 3) uint8 BGR, the lower half of the face; may be mapped from a file.
        mouth: (n, 14) float32, the mouth parameters of the pictures.
        is_ground_truth: whether the pictures were rendered with the sound; the mouth renderer generated them otherwise.
    """

    name: str
    magnitudes: NDArray[np.float16]
    pictures: UInt8
    mouth: Float32
    is_ground_truth: bool


@dataclass(frozen=True, slots=True)
class AvBatch:
    """A batch of segments of clips.

    Attributes:
        mel: (B, 1, 80, C) float32, enough columns for every look-ahead; see `mel_windows`.
        pictures: (B, n, 3, 48, 96) float32 in 0..1, BGR, consecutive.
        mouth: (B, n, 14) float32.
    """

    mel: Tensor
    pictures: Tensor
    mouth: Tensor

    def mel_windows(self, lookaheads_ms: Sequence[int]) -> Tensor:
        """The mel window of each picture.

        Args:
            lookaheads_ms: of each segment.

        Returns:
            (B * n, 1, 80, 16), in the order of segments, then pictures.
        """
        windows = []
        for mel, lookahead_ms in zip(self.mel, lookaheads_ms, strict=True):
            ends = [WINDOW_COLUMNS + newest_column(k, lookahead_ms) for k in range(self.pictures.shape[1])]
            windows += [mel[..., end - WINDOW_COLUMNS : end] for end in ends]
        return torch.stack(windows)

    def part(self, segments: slice, device: torch.device) -> AvBatch:
        """Some of the segments, on a device."""
        parts = (self.mel, self.pictures, self.mouth)
        return AvBatch(*(part[segments].to(device) for part in parts))

    def expert_windows(self) -> Tensor:
        """(B, n - 4, 1, 80, 16): for each picture, the mel window of the five pictures that begin with it."""
        n = self.pictures.shape[1] - N_EXPERT_PICTURES + 1
        starts = [round(WINDOW_COLUMNS - 1 + (k - 0.5) * COLUMNS_PER_PICTURE) for k in range(n)]
        return torch.stack([self.mel[..., start : start + WINDOW_COLUMNS] for start in starts], dim=1)

    def expert_pictures(self) -> Tensor:
        """(B, n - 4, 15, 48, 96): five consecutive pictures, stacked in the channels."""
        return stack_pictures(self.pictures)


def stack_pictures(pictures: Tensor) -> Tensor:
    """(B, n, 3, 48, 96) -> (B, n - 4, 15, 48, 96): the visual input of the sync expert."""
    n = pictures.shape[1] - N_EXPERT_PICTURES + 1
    return torch.stack([pictures[:, k : k + N_EXPERT_PICTURES].flatten(1, 2) for k in range(n)], dim=1)


def newest_column(k: int, lookahead_ms: int) -> int:
    """Newest mel column in the window of picture k of a segment; column 0 is the instant of its first picture."""
    return round(k * COLUMNS_PER_PICTURE + lookahead_ms * MEL.columns_per_s / 1000)


def rendered_av_clips(nova: Path, *, is_train: bool) -> list[AvClip]:
    """The rendered clips of one split.

    Clips that cannot be read, or are silent, are left out with a warning.

    Raises:
        StudioError: the list of clips cannot be read.
    """
    found = []
    for clip, frames, mouth in read_clips([clip for clip in still_clips(nova) if clip.is_train == is_train]):
        try:
            samples = read_sound(clip)
        except (AudioInputError, StudioError) as error:
            log.warning("%s is left out: %s", clip.name, error)
            continue
        magnitudes = linear_magnitudes(samples).astype(np.float16)
        pictures = np.stack([lower_half(frame) for frame in frames])
        found.append(AvClip(clip.name, magnitudes, pictures, mouth, is_ground_truth=True))
    return found


def read_sound(clip: Clip) -> Float32:
    """The sound of a clip, (n,) float32 at 16 kHz.

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


def generated_clips(utterances: Sequence[Utterance], net: MouthRenderer, rest: UInt8, cache: Path) -> list[AvClip]:
    """Voices with pictures generated from their mouth curves, and stored in `cache`.

    Args:
        utterances: the voices.
        net: renders the mouth.
        rest: (256, 256, 3) uint8 BGR, the face around the mouth.
        cache: a folder for this network; it holds the pictures of one list of voices.

    Raises:
        StudioError: the cache cannot be written.
    """
    if not utterances:
        return []
    mouths = [_mouth_at_pictures(utterance) for utterance in utterances]
    file, shape = cache / "drawn.json", (sum(map(len, mouths)), TOP_PX, SIZE_PX, 3)
    wanted = {"voices": [[u.name, len(mouth)] for u, mouth in zip(utterances, mouths, strict=True)]}
    make_current(
        file, wanted, lambda: write_pictures(cache / "drawn.npy", shape, _render_all(np.concatenate(mouths), net, rest))
    )
    pictures = np.load(cache / "drawn.npy", mmap_mode="r")
    ends = np.cumsum([len(mouth) for mouth in mouths])
    pieces = np.split(pictures, ends[:-1])
    return [
        AvClip(u.name, u.magnitudes, piece, mouth, is_ground_truth=False)
        for u, piece, mouth in zip(utterances, pieces, mouths, strict=True)
    ]


def rest_clip(magnitudes: NDArray[np.float16], rest: UInt8, name: str) -> AvClip:
    """A sound without speech, with the mouth at rest."""
    n = int(len(magnitudes) / COLUMNS_PER_PICTURE)
    picture = lower_half(rest)
    pictures = np.broadcast_to(picture, (n, *picture.shape))
    return AvClip(name, magnitudes, pictures, np.broadcast_to(REST, (n, len(REST))), is_ground_truth=True)


def draw_av_batch(
    clips: Sequence[AvClip],
    sampling_weights: Float32,
    corpus: Corpus,
    n_segments: int,
    n_pictures: int,
    rng: np.random.Generator,
    ranges: AugmentationRanges | None = None,
) -> AvBatch:
    """Random segments of clips with augmented voices.

    Args:
        clips: to sample from; each has at least `n_pictures`.
        sampling_weights: (len(clips),) how often each is sampled.
        corpus: noises and other speakers, to mix under the voices.
        n_segments: segments in the batch.
        n_pictures: consecutive pictures in each.
        rng: the only source of randomness.
        ranges: of the augmentation; None leaves voices unchanged.
    """
    chosen = [clips[int(k)] for k in rng.choice(len(clips), n_segments, p=sampling_weights / sampling_weights.sum())]
    firsts = [int(rng.integers(len(clip.pictures) - n_pictures + 1)) for clip in chosen]
    n_columns = WINDOW_COLUMNS + newest_column(n_pictures - 1, 160)
    voices = np.stack([_segment(clip, k, n_columns) for clip, k in zip(chosen, firsts, strict=True)])
    noise = np.stack([_random_columns(corpus.quiet, n_columns, rng) for _ in range(n_segments)])
    babble = np.stack([_random_columns(corpus.real, n_columns, rng) for _ in range(n_segments)])
    speech, noises, others = (torch.from_numpy(x) for x in (voices, noise, babble))
    mel = augment(speech, noises, others, rng, ranges or NO_AUGMENTATION)
    pictures = np.stack([clip.pictures[k : k + n_pictures] for clip, k in zip(chosen, firsts, strict=True)])
    mouth = np.stack([clip.mouth[k : k + n_pictures] for clip, k in zip(chosen, firsts, strict=True)])
    return AvBatch(
        mel[:, None],
        torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 255,
        torch.from_numpy(mouth),
    )


def whole_clip(clip: AvClip) -> AvBatch:
    """All pictures of a clip as one segment, with its unchanged voice."""
    n_columns = WINDOW_COLUMNS + newest_column(len(clip.pictures) - 1, 160)
    mel = mel_from_magnitudes(torch.from_numpy(_segment(clip, 0, n_columns)))
    pictures = torch.from_numpy(np.array(clip.pictures)).permute(0, 3, 1, 2)[None].float() / 255
    return AvBatch(mel[None, None], pictures, torch.from_numpy(clip.mouth[None]))


# `augment` still adds noise to total silence.
NO_AUGMENTATION = AugmentationRanges(
    warp_probability=0, eq_db=0, band_probability=0, reverb_probability=0, noise_probability=0, level_db=(0, 0),
    mask_probability=0,
)  # fmt: skip


def mel_of(clip: AvClip, n_before: int, n_after: int) -> Float32:
    """Clean mel columns of a whole clip, (80, T), with silence before and after it."""
    padded = np.pad(clip.magnitudes.astype(np.float32), ((n_before, n_after), (0, 0)))
    return np.asarray(mel_from_magnitudes(torch.from_numpy(padded)).numpy())


def column_of(k: int) -> float:
    """The mel column at the instant of picture k."""
    return (k + 0.5) * COLUMNS_PER_PICTURE


def _segment(clip: AvClip, first: int, n_columns: int) -> Float32:
    start = column_of(first) - (WINDOW_COLUMNS - 1)
    return columns_at(clip.magnitudes, start + np.arange(n_columns, dtype=np.float64))


def _random_columns(pool: Sequence[Utterance], n_columns: int, rng: np.random.Generator) -> Float32:
    magnitudes = pool[int(rng.integers(len(pool)))].magnitudes
    first = int(rng.integers(max(1, len(magnitudes) - n_columns)))
    return columns_at(magnitudes, np.arange(first, first + n_columns, dtype=np.float64))


def _mouth_at_pictures(utterance: Utterance) -> Float32:
    n = max(1, int(len(utterance.mouth) / CURVE_HZ * FPS))
    return mouth_at(utterance, (np.arange(n) + 0.5) / FPS)[0].T.copy()


@torch.no_grad()
def _render_all(mouths: Float32, net: MouthRenderer, rest: UInt8) -> Iterator[UInt8]:
    """Lower halves in batches, (n, 48, 96, 3)."""
    box = net.shape.box
    crop = rest.copy()
    for start in range(0, len(mouths), RENDER_BATCH):
        with arithmetic.autocast(torch.device("cpu")):
            rendered = net(torch.from_numpy(mouths[start : start + RENDER_BATCH])).float()
        pixels = (rendered.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        halves = []
        for picture in pixels:
            crop[box.y : box.y + box.h, box.x : box.x + box.w] = picture
            halves.append(lower_half(crop))
        yield np.stack(halves)
        if start // RENDER_BATCH % 100 == 0:
            log.info("%d of %d pictures generated", start, len(mouths))
