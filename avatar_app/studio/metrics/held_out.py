"""Held-out data: rendered clips, real speakers and noises, and the readers for pictures of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import AudioInputError, StudioError
from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.studio.data import noises
from avatar_app.studio.data.av_clips import AvClip, read_sound
from avatar_app.studio.data.clips import FPS, GET_THE_DATA, Clip, read_clips, rest_picture, still_clips
from avatar_app.studio.data.faces import lower_half
from avatar_app.studio.data.mel import linear_magnitudes
from avatar_app.studio.data.speech_corpus import Recording, librispeech_recordings
from avatar_app.studio.metrics.landmarks import LipReader, Lips, distance_px
from avatar_app.studio.metrics.live_path import MOUTH
from avatar_app.studio.metrics.scores import OpeningReader
from avatar_app.studio.mouth import curves_of, lip_opening_mm

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

N_READER_CLIPS = 4
N_LIP_READER_CLIPS = 8
CURVE_HZ = 100
NOISE_SEED = 11
SILENCE_S, NOISE_S = 5, 10


@dataclass(frozen=True)
class TestClip:
    """A held-out rendered clip with its ground truth.

    Attributes:
        clip: its files.
        samples: (m,) float32 at 16 kHz.
        mouths: (n, 80, 96, 3) uint8 BGR, the area `MOUTH` of each picture.
        opening_mm: (n,) float32, gap between the lips.
        lips_px: (n, 22, 2) float64, landmarks of the reader in the ground-truth pictures.
        av_clip: the same clip as the input of a sync expert.
    """

    clip: Clip
    samples: Float32
    mouths: UInt8
    opening_mm: Float32
    lips_px: Float64
    av_clip: AvClip

    @property
    def name(self) -> str:
        """As in `clips.json`."""
        return self.clip.name


@dataclass(frozen=True)
class TestData:
    """Data that no network was trained on.

    Attributes:
        clips: rendered clips.
        voices: name, samples and lip gap in mm at 25 Hz of each held-out speaker.
        noises: name and samples of silence and of each noise.
        rest: (256, 256, 3) uint8 BGR, the face with the mouth at rest.
        reader: reads the lip gap from pictures.
        lip_reader: finds lip landmarks in pictures.
        lip_reader_error_px: mean error of the lip reader in the ground-truth pictures of these clips.
    """

    clips: Sequence[TestClip]
    voices: Sequence[tuple[str, Float32, Float32]]
    noises: Sequence[tuple[str, Float32]]
    rest: UInt8
    reader: OpeningReader
    lip_reader: LipReader
    lip_reader_error_px: float


def load_test_data(
    data: Path, n_clips: int | None = None, n_voices: int | None = None, n_noises: int | None = None
) -> TestData:
    """Read the held-out clips and voices.

    Args:
        data: folder with nova/ and speech/.
        n_clips: number of clips; all if None.
        n_voices: number of voices; all if None.
        n_noises: number of noises, silence first; all if None.

    Raises:
        StudioError: data is missing.
        AudioInputError: a recording cannot be read.
    """
    nova = data / "nova"
    opening, lips = lip_opening_mm(nova / "rig.npz"), Lips.of_rig(nova / "rig.npz")
    clips = still_clips(nova)
    train = [clip for clip in clips if clip.is_train]
    reader, lip_reader = _readers(train, opening, lips)
    tests = _test_clips([clip for clip in clips if not clip.is_train][:n_clips], opening, lip_reader)
    errors_px = [distance_px(test.lips_px, lips.at(test.av_clip.mouth)) for test in tests]
    recordings = [r for r in librispeech_recordings(data / "speech" / "librispeech") if r.split != "train"]
    voices = [(r.name, read_audio(r.file), _voice_opening(r, opening)) for r in recordings[:n_voices]]
    return TestData(
        tests, voices, quiet_sounds()[:n_noises], rest_picture(train), reader, lip_reader, float(np.mean(errors_px))
    )


def _readers(clips: Sequence[Clip], opening: Float32, lips: Lips) -> tuple[OpeningReader, LipReader]:
    few, more = _spread(clips, N_READER_CLIPS), _spread(clips, N_LIP_READER_CLIPS)
    ground_truth = {clip.name: (_mouths(frames), params) for clip, frames, params in read_clips(_union(few, more))}
    if not ground_truth:
        raise StudioError("None of the training clips can be read.", GET_THE_DATA)
    first, second = ([ground_truth[clip.name] for clip in clips if clip.name in ground_truth] for clips in (few, more))
    return (
        OpeningReader.fit(np.concatenate([m for m, _ in first]), np.concatenate([p @ opening for _, p in first])),
        LipReader.fit(np.concatenate([m for m, _ in second]), np.concatenate([lips.at(p) for _, p in second])),
    )


def _spread(clips: Sequence[Clip], n: int) -> Sequence[Clip]:
    return clips[:: max(1, len(clips) // n)]


def _union(a: Sequence[Clip], b: Sequence[Clip]) -> list[Clip]:
    return sorted({*a, *b}, key=lambda clip: clip.name)


def _mouths(frames: UInt8) -> UInt8:
    return np.ascontiguousarray(frames[:, MOUTH[0], MOUTH[1]])


def _test_clips(clips: Sequence[Clip], opening: Float32, lip_reader: LipReader) -> list[TestClip]:
    """The clips that can be read; a warning names each other clip."""
    tests = []
    for clip, frames, params in read_clips(clips):
        try:
            samples = read_sound(clip)
        except (AudioInputError, StudioError) as error:
            log.warning("%s is left out: %s", clip.name, error)
            continue
        mouths = _mouths(frames)
        halves = np.stack([lower_half(frame) for frame in frames])
        av_clip = AvClip(clip.name, linear_magnitudes(samples).astype(np.float16), halves, params, is_ground_truth=True)
        opening_mm = (params @ opening).astype(np.float32)
        tests.append(TestClip(clip, samples, mouths, opening_mm, lip_reader.read(mouths), av_clip))
    if not tests:
        raise StudioError("None of the test clips can be read.", GET_THE_DATA)
    return tests


def _voice_opening(recording: Recording, opening: Float32) -> Float32:
    """Lip gap in mm at the instants (k + 0.5) / 25 s, from the phones of a recording."""
    n_values = int(recording.phones[-1].end_s * CURVE_HZ)
    curve = curves_of(recording.phones, n_values) @ opening
    step = CURVE_HZ // FPS
    return curve[step // 2 :: step].astype(np.float32)


def quiet_sounds() -> list[tuple[str, Float32]]:
    """Name and samples at 16 kHz of silence and of each noise."""
    rng = np.random.default_rng(NOISE_SEED)
    silence = np.zeros(SILENCE_S * LIVE_RATE_HZ, np.float32)
    return [("silence", silence), *((n, s[: NOISE_S * LIVE_RATE_HZ]) for n, s in noises.all_noises(rng))]
