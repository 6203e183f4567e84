"""Finds the pictures that an idle loop can be made of: silent, mouth closed, head and eyes as usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.alignment import lip_gap_ratio
from avatar_app.studio.enrol.person.material import FaceCrops, Take

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

# Landmarks of mediapipe's face mesh, around the lips.
LIPS = (61, 291, 0, 17, 13, 14, 37, 267, 84, 314, 40, 270, 91, 321)
# The lips touch when they are this near, as a share of the distance of the outer corners of the eyes.
TOUCHING_RATIO = 0.02
# The distance of these lips at rest may be larger; this much more is still at rest.
REST_RATIO = 0.015
# Mean distance of the lips' landmarks from their median at rest, in pixels of the crop.
MAX_SHAPE_PX = 4.0
# Sound is silent up to this share of the way from the recording's quiet to its loud parts, in dB, or to this level
# above the quiet ones, because breath is louder than the room. A sound of a few pictures with closed lips is a noise.
SILENT_SHARE, SILENT_DB = 0.45, 12.0
NOISE_FRAMES = 4
MIN_LEVEL = 1e-5
# Head pose away from the median.
MAX_TURN_DEG = 8.0
# Speech may begin before it is heard, and lips come to rest after it.
MARGIN_FRAMES = 1
MIN_RUN_FRAMES = 12


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive pictures of a take, with the mouth at rest.

    Attributes:
        take: index of the take.
        start: first picture.
        stop: picture after the last one.
    """

    take: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def rest_runs(material: Sequence[tuple[Take, FaceCrops]]) -> list[Run]:
    """The runs of pictures at rest in all takes, in order; empty if there are none that are long enough."""
    if not material:
        return []
    gaps = [lip_gap_ratio(crops.landmarks_px) for _, crops in material]
    silent = [is_silent(take.samples, len(take.pictures)) for take, _ in material]
    usable = [
        quiet & crops.is_usable & (np.abs(crops.pose_deg).max(axis=1) <= MAX_TURN_DEG)
        for quiet, (_, crops) in zip(silent, material, strict=True)
    ]
    all_gaps = np.concatenate([gap[use] for gap, use in zip(gaps, usable, strict=True)])
    if not len(all_gaps):
        return []
    limit = max(TOUCHING_RATIO, float(np.percentile(all_gaps, 20)) + REST_RATIO)
    closed = [(gap <= limit) & use for gap, use in zip(gaps, usable, strict=True)]
    shape = lips_at_rest(material, closed)
    if shape is None:
        return []
    runs = []
    for number, ((_, crops), rest) in enumerate(zip(material, closed, strict=True)):
        distance = np.linalg.norm(crops.landmarks_px[:, LIPS, :2] - shape, axis=2).mean(axis=1)
        runs += _runs(number, rest & (distance <= MAX_SHAPE_PX))
    return runs


def is_silent(samples: Float32, n_frames: int) -> Bool:
    """(n_frames,) bool: whether the sound around each picture is silent; True everywhere without any sound."""
    step = LIVE_RATE_HZ // FPS
    blocks = np.zeros(n_frames * step, np.float32)
    blocks[: min(len(samples), len(blocks))] = samples[: len(blocks)]
    level = np.sqrt((blocks.reshape(n_frames, step) ** 2).mean(axis=1))
    db = 20 * np.log10(np.maximum(level, MIN_LEVEL))
    quiet_db, loud_db = np.percentile(db, (10, 95))
    loud = db > quiet_db + max(SILENT_DB, SILENT_SHARE * (loud_db - quiet_db))
    for run in _runs(0, loud, 1):
        if len(run) <= NOISE_FRAMES:
            loud[run.start : run.stop] = False
    return ~_widened(loud, MARGIN_FRAMES)


def lips_at_rest(material: Sequence[tuple[Take, FaceCrops]], at_rest: Sequence[Bool]) -> Float64 | None:
    """(len(LIPS), 2) median place of the lips' landmarks in the crop; None without pictures at rest."""
    marks = np.concatenate(
        [crops.landmarks_px[rest][:, LIPS, :2] for (_, crops), rest in zip(material, at_rest, strict=True)]
    )
    return np.median(marks, axis=0) if len(marks) else None


def _widened(mask: Bool, n: int) -> Bool:
    return np.convolve(mask, np.ones(2 * n + 1), "same") > 0


def _runs(take: int, mask: Bool, min_frames: int = MIN_RUN_FRAMES) -> list[Run]:
    """The runs of True in a mask (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [Run(take, start, stop) for start, stop in pairs if stop - start >= min_frames]
