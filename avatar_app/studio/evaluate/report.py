"""All numbers of one student: held-out clips, voices never met, silence and noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.student import Student
from avatar_app.studio.data import noises
from avatar_app.studio.data.clips import FPS, Clip, read_frames, read_params, rest_picture, still_clips
from avatar_app.studio.data.mouth import curves_of, lip_opening_mm
from avatar_app.studio.data.speech_corpus import Recording, librispeech_recordings
from avatar_app.studio.evaluate.mouths import MOUTH, drawn_mouths
from avatar_app.studio.evaluate.scores import OpeningReader, correlation, motion, psnr_db, ssim

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

N_READER_CLIPS = 4
CURVE_HZ = 100
NOISE_SEED = 11


@dataclass(frozen=True)
class TestData:
    """What nobody trained on.

    Attributes:
        clips: name, samples, true mouths (n, 80, 96, 3), lip gap in mm (n,), for each test clip.
        voices: name, samples, lip gap in mm at 25 Hz, for each real speaker of the test split.
        rest: (256, 256, 3) uint8 BGR.
        reader: reads the lip gap from pictures.
    """

    clips: Sequence[tuple[str, Float32, UInt8, Float32]]
    voices: Sequence[tuple[str, Float32, Float32]]
    rest: UInt8
    reader: OpeningReader


def load_test_data(data: Path) -> TestData:
    """Read the held-out clips and voices.

    Raises:
        StudioError: something in the folder is missing.
        AudioInputError: a sound cannot be read.
    """
    nova = data / "nova"
    opening = lip_opening_mm(nova / "rig.npz")
    clips = still_clips(nova)
    seen = [clip for clip in clips if clip.is_train]
    pairs = [_true_mouths(clip, opening) for clip in seen[:: max(1, len(seen) // N_READER_CLIPS)]]
    reader = OpeningReader.fit(np.concatenate([m for m, _ in pairs]), np.concatenate([o for _, o in pairs]))
    unseen = [clip for clip in clips if not clip.is_train]
    test = [(clip.name, read_audio(clip.folder / "audio.flac"), *_true_mouths(clip, opening)) for clip in unseen]
    recordings = [r for r in librispeech_recordings(data / "speech" / "librispeech") if r.split != "train"]
    voices = [(r.name, read_audio(r.file), _voice_opening(r, opening)) for r in recordings]
    return TestData(test, voices, rest_picture(seen), reader)


def evaluate(student: Student, data: TestData, lookaheads_ms: Sequence[int] | None = None) -> dict[str, Any]:
    """Every number, by look-ahead.

    Returns:
        `lookahead_<ms>`: `mouth_psnr_db`, `mouth_ssim`, `opening_correlation` on the clips, each again by clip under
        `clips`; `voices_correlation` on real speakers never met, by voice under `voices`; `noise_motion_ratio`:
        motion in silence and noise against that in speech.
    """
    report = {}
    for ms in lookaheads_ms or student.spec.lookahead_ms:
        report[f"lookahead_{ms}"] = _at_lookahead(student, data, ms)
        log.info(
            "look-ahead %d ms: %s",
            ms,
            {k: v for k, v in report[f"lookahead_{ms}"].items() if k != "clips" and k != "voices"},
        )
    return report


def clip_psnr_db(student: Student, data: TestData, lookahead_ms: int) -> float:
    """Mouth PSNR on the held-out clips alone; quick."""
    drawn = [drawn_mouths(student, sound, lookahead_ms, data.rest) for _, sound, _, _ in data.clips]
    pairs = zip(drawn, (true for _, _, true, _ in data.clips), strict=True)
    return float(np.mean([psnr_db(*_same_length(a, b)) for a, b in pairs]))


def _at_lookahead(student: Student, data: TestData, ms: int) -> dict[str, Any]:
    clips, moved = {}, []
    for name, sound, true, opening_mm in data.clips:
        drawn, shown = _same_length(drawn_mouths(student, sound, ms, data.rest), true)
        moved.append(motion(drawn))
        clips[name] = {
            "mouth_psnr_db": round(psnr_db(drawn, shown), 2),
            "mouth_ssim": round(ssim(drawn, shown), 4),
            "opening_correlation": round(correlation(data.reader.read(drawn), opening_mm[: len(drawn)]), 3),
        }
    voices = {name: _voice_correlation(student, data, sound, opening, ms) for name, sound, opening in data.voices}
    return {
        **{key: round(float(np.mean([c[key] for c in clips.values()])), 4) for key in next(iter(clips.values()))},
        "voices_correlation": round(float(np.mean(list(voices.values()))), 4),
        "noise_motion_ratio": round(_noise_motion(student, data, ms) / max(float(np.mean(moved)), 1e-9), 4),
        "clips": clips,
        "voices": voices,
    }


def _voice_correlation(student: Student, data: TestData, sound: Float32, opening_mm: Float32, ms: int) -> float:
    read = data.reader.read(drawn_mouths(student, sound, ms, data.rest))
    n = min(len(read), len(opening_mm))
    return round(correlation(read[:n], opening_mm[:n]), 3)


def _noise_motion(student: Student, data: TestData, ms: int) -> float:
    """Mean motion over silence and every kind of noise."""
    rng = np.random.default_rng(NOISE_SEED)
    sounds = [
        np.zeros(5 * LIVE_RATE_HZ, np.float32),
        *(sound[: 10 * LIVE_RATE_HZ] for _, sound in noises.all_noises(rng)),
    ]
    return float(np.mean([motion(drawn_mouths(student, sound, ms, data.rest)) for sound in sounds]))


def _true_mouths(clip: Clip, opening: Float32) -> tuple[UInt8, Float32]:
    frames = np.stack([frame[MOUTH] for frame in read_frames(clip)])
    params = read_params(clip)
    n = min(len(frames), len(params))
    return frames[:n], (params[:n] @ opening).astype(np.float32)


def _voice_opening(recording: Recording, opening: Float32) -> Float32:
    """Lip gap in mm at the middle of every twenty-fifth of a second."""
    n_values = int(recording.phones[-1].end_s * CURVE_HZ)
    curve = curves_of(recording.phones, n_values) @ opening
    step = CURVE_HZ // FPS
    return curve[step // 2 :: step].astype(np.float32)


def _same_length(a: UInt8, b: UInt8) -> tuple[UInt8, UInt8]:
    n = min(len(a), len(b))
    return a[:n], b[:n]
