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
from avatar_app.studio.metrics.live_path import drawn_halves, drawn_mouths, mouths_of
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
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Every number, by look-ahead.

    Args:
        student: opened, and shown its face.
        data: what nobody trained on.
        lookaheads_ms: of the student; all when None.
        expert: judges sync; no sync numbers without one.
        tell: hears of every look-ahead that is done.

    Returns:
        `lookahead_<ms>`: `mouth_psnr_db`, `mouth_ssim`, `opening_correlation`, `mouth_lmd_px`, `jitter` on the clips
        and, with an expert, `sync`, each again by clip under `clips`; `voices_correlation` on real speakers never met,
        by voice under `voices`; `closed_ratio` of the `n_closings` of lips in clips and voices (`scores.closings`);
        `noise_motion_ratio`: motion in silence and noise against that in speech, by sound
        under `noises`.
    """
    report = {}
    for ms in lookaheads_ms or student.spec.lookahead_ms:
        found = report[f"lookahead_{ms}"] = _at_lookahead(student, data, ms, expert)
        log.debug("look-ahead %d ms: %s", ms, {k: v for k, v in found.items() if k not in BY_NAME})
        if tell is not None:
            tell(f"{student.spec.id}, look-ahead {ms} ms")
    return report


def clip_psnr_db(student: Student, data: TestData, lookahead_ms: int) -> float:
    """Mouth PSNR on the held-out clips alone; quick."""
    drawn = [drawn_mouths(student, test.samples, lookahead_ms, data.rest) for test in data.clips]
    pairs = zip(drawn, (test.mouths for test in data.clips), strict=True)
    return float(np.mean([psnr_db(*_same_length(a, b)) for a, b in pairs]))


def sync_scores(found: Sequence[Float32]) -> dict[str, Any]:
    """What (n, 31) distances of one scene, or of several, say: offset in pictures and ms, distance, confidence."""
    rows = [rows for rows in found if len(rows)]
    if not rows:
        return {}
    told = scores(np.concatenate(rows))
    return {
        "offset_pictures": told.offset_pictures,
        "offset_ms": told.offset_pictures * 1000 // FPS,
        "distance": round(told.distance, 4),
        "confidence": round(told.confidence, 4),
    }


def expert_distances(expert: SyncExpert, scene: AvClip) -> Float32:
    """(n, 31) distances of the pictures in which the true mouth speaks."""
    return np.asarray(distances(expert, scene, is_precise=False)[moving(scene)])


def _at_lookahead(student: Student, data: TestData, ms: int, expert: SyncExpert | None) -> dict[str, Any]:
    clips, voices, moved, heard, closed = {}, {}, [], [], []
    for test in data.clips:
        halves = drawn_halves(student, test.samples, ms, data.rest)[: len(test.mouths)]
        mouths = mouths_of(halves)
        moved.append(motion(mouths))
        clips[test.name] = _clip_scores(mouths, test, data)
        closed.append(closings(data.reader.read(mouths), test.opening_mm[: len(mouths)]))
        if expert is not None:
            heard.append(expert_distances(expert, _drawn_scene(test.scene, halves)))
            clips[test.name]["sync"] = sync_scores(heard[-1:])
    for name, sound, opening_mm in data.voices:
        read = data.reader.read(drawn_mouths(student, sound, ms, data.rest))
        n = min(len(read), len(opening_mm))
        voices[name] = round(correlation(read[:n], opening_mm[:n]), 3)
        closed.append(closings(read[:n], opening_mm[:n]))
    n_closed, n_closings = (sum(counts) for counts in zip(*closed, strict=True))
    in_speech = max(float(np.mean(moved)), 1e-9)
    noises = {name: motion(drawn_mouths(student, sound, ms, data.rest)) / in_speech for name, sound in data.noises}
    return {
        **{key: round(float(np.mean([c[key] for c in clips.values()])), 4) for key in MEANS},
        **({"sync": sync_scores(heard)} if heard else {}),
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
    drawn, shown = _same_length(mouths, test.mouths)
    n = len(drawn)
    return {
        "mouth_psnr_db": round(psnr_db(drawn, shown), 2),
        "mouth_ssim": round(ssim(drawn, shown), 4),
        "opening_correlation": round(correlation(data.reader.read(drawn), test.opening_mm[:n]), 3),
        "mouth_lmd_px": round(distance_px(data.lip_reader.read(drawn), test.lips_px[:n]), 3),
        "jitter": round(jitter(drawn, shown), 3),
    }


def _drawn_scene(scene: AvClip, halves: UInt8) -> AvClip:
    """The clip with what a student draws, as small as a sync expert looks at it."""
    size = (SIZE_PX, SIZE_PX - TOP_PX)
    pictures = np.stack([cv2.resize(half, size, interpolation=cv2.INTER_AREA) for half in halves])
    return replace(scene, pictures=pictures, mouth=scene.mouth[: len(pictures)])


def _same_length(a: UInt8, b: UInt8) -> tuple[UInt8, UInt8]:
    n = min(len(a), len(b))
    return a[:n], b[:n]
