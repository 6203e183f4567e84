"""Scores of one student on held-out clips, held-out speakers, silence and noise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.live.student import Student
from avatar_app.studio.data.av_clips import AvClip
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.data.faces import SIZE_PX, TOP_PX
from avatar_app.studio.metrics.held_out import TestClip, TestData
from avatar_app.studio.metrics.landmarks import distance_px
from avatar_app.studio.metrics.live_path import generated_halves, generated_mouths, mouths_of
from avatar_app.studio.metrics.scores import closings, correlation, jitter, motion, psnr_db, ssim
from avatar_app.studio.metrics.sync import distances, moving, scores
from avatar_app.studio.nets.expert import SyncExpert

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

BY_NAME = ("clips", "voices", "noises")
MEANS = ("mouth_psnr_db", "mouth_ssim", "opening_correlation", "mouth_lmd_px", "jitter")


def score_student(
    student: Student,
    data: TestData,
    lookaheads_ms: Sequence[int] | None = None,
    expert: SyncExpert | None = None,
    done: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """All scores by look-ahead.

    Args:
        student: an open student with its face.
        data: held-out clips, voices and noises.
        lookaheads_ms: look-aheads to measure; all of the student if None.
        expert: sync expert; without one, no sync is measured.
        done: called with the name of each finished look-ahead.

    Returns:
        `lookahead_<ms>`: `mouth_psnr_db`, `mouth_ssim`, `opening_correlation`, `mouth_lmd_px`, `jitter` on the clips
        and, with an expert, `sync`, each again by clip under `clips`; `voices_correlation` on held-out speakers, by
        speaker under `voices`; `closed_ratio` of the `n_closings` of lips in clips and voices (`scores.closings`);
        `noise_motion_ratio`: motion in silence and noise relative to speech, by sound under `noises`.
    """
    report = {}
    for ms in lookaheads_ms or student.spec.lookahead_ms:
        found = report[f"lookahead_{ms}"] = _at_lookahead(student, data, ms, expert)
        log.debug("look-ahead %d ms: %s", ms, {k: v for k, v in found.items() if k not in BY_NAME})
        if done is not None:
            done(f"{student.spec.id}, look-ahead {ms} ms")
    return report


def clip_psnr_db(student: Student, data: TestData, lookahead_ms: int) -> float:
    """Mouth PSNR on the held-out clips."""
    generated = [generated_mouths(student, test.samples, lookahead_ms, data.rest) for test in data.clips]
    pairs = zip(generated, (test.mouths for test in data.clips), strict=True)
    return float(np.mean([psnr_db(*_same_length(a, b)) for a, b in pairs]))


def sync_scores(found: Sequence[Float32]) -> dict[str, Any]:
    """Offset in pictures and ms, distance and confidence from the (n, 31) distances of one or several clips."""
    rows = [rows for rows in found if len(rows)]
    if not rows:
        return {}
    sync = scores(np.concatenate(rows))
    return {
        "offset_pictures": sync.offset_pictures,
        "offset_ms": sync.offset_pictures * 1000 // FPS,
        "distance": round(sync.distance, 4),
        "confidence": round(sync.confidence, 4),
    }


def expert_distances(expert: SyncExpert, clip: AvClip) -> Float32:
    """(n, 31) distances of the pictures in which the ground-truth mouth speaks."""
    return np.asarray(distances(expert, clip, is_precise=False)[moving(clip)])


def _at_lookahead(student: Student, data: TestData, ms: int, expert: SyncExpert | None) -> dict[str, Any]:
    clips, voices, moved, synced, closed = {}, {}, [], [], []
    for test in data.clips:
        halves = generated_halves(student, test.samples, ms, data.rest)[: len(test.mouths)]
        mouths = mouths_of(halves)
        moved.append(motion(mouths))
        clips[test.name] = _clip_scores(mouths, test, data)
        closed.append(closings(data.reader.read(mouths), test.opening_mm[: len(mouths)]))
        if expert is not None:
            synced.append(expert_distances(expert, _generated_clip(test.av_clip, halves)))
            clips[test.name]["sync"] = sync_scores(synced[-1:])
    for name, sound, opening_mm in data.voices:
        read = data.reader.read(generated_mouths(student, sound, ms, data.rest))
        n = min(len(read), len(opening_mm))
        voices[name] = round(correlation(read[:n], opening_mm[:n]), 3)
        closed.append(closings(read[:n], opening_mm[:n]))
    n_closed, n_closings = (sum(counts) for counts in zip(*closed, strict=True))
    in_speech = max(float(np.mean(moved)), 1e-9)
    noises = {name: motion(generated_mouths(student, sound, ms, data.rest)) / in_speech for name, sound in data.noises}
    return {
        **{key: round(float(np.mean([c[key] for c in clips.values()])), 4) for key in MEANS},
        **({"sync": sync_scores(synced)} if synced else {}),
        **({"voices_correlation": round(float(np.mean(list(voices.values()))), 4)} if voices else {}),
        **({"closed_ratio": round(n_closed / n_closings, 4)} if n_closings else {}),
        "n_closings": n_closings,
        "noise_motion_ratio": round(float(np.mean(list(noises.values()))), 4),
        "silence_motion_ratio": round(noises["silence"], 4),
        "clips": clips,
        "voices": voices,
        "noises": {name: round(ratio, 4) for name, ratio in noises.items()},
    }


def _clip_scores(mouths: UInt8, test: TestClip, data: TestData) -> dict[str, Any]:
    generated, expected = _same_length(mouths, test.mouths)
    n = len(generated)
    return {
        "mouth_psnr_db": round(psnr_db(generated, expected), 2),
        "mouth_ssim": round(ssim(generated, expected), 4),
        "opening_correlation": round(correlation(data.reader.read(generated), test.opening_mm[:n]), 3),
        "mouth_lmd_px": round(distance_px(data.lip_reader.read(generated), test.lips_px[:n]), 3),
        "jitter": round(jitter(generated, expected), 3),
    }


def _generated_clip(clip: AvClip, halves: UInt8) -> AvClip:
    """The clip with the generated lower halves, at the size of the sync expert's input."""
    size = (SIZE_PX, SIZE_PX - TOP_PX)
    pictures = np.stack([cv2.resize(half, size, interpolation=cv2.INTER_AREA) for half in halves])
    return replace(clip, pictures=pictures, mouth=clip.mouth[: len(pictures)])


def _same_length(a: UInt8, b: UInt8) -> tuple[UInt8, UInt8]:
    n = min(len(a), len(b))
    return a[:n], b[:n]
