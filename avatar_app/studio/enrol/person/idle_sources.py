"""Finds the pictures for an idle loop, places the portrait in them, and plans the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.clips import CROP_PX
from avatar_app.studio.enrol.person.idle_material import Run, rest_runs
from avatar_app.studio.enrol.person.idle_plan import Step, plan_loop
from avatar_app.studio.enrol.person.material import FaceCrops, Take
from avatar_app.studio.enrol.person.person_mask import PersonFinder
from avatar_app.studio.enrol.person.portrait import SIZE_PX, Area, alignment, composed, cut_portrait, portrait_of

Float64 = NDArray[np.float64]
Material = Sequence[tuple[Take, FaceCrops]]

# Landmarks of mediapipe's face mesh: outline, brows, eyes, irises, nose, lips.
COMPARED = (
    10, 338, 297, 284, 389, 454, 361, 397, 378, 152, 149, 172, 132, 234, 162, 54, 67, 109, 70, 63, 105, 66, 107, 336,
    296, 334, 293, 300, 33, 159, 133, 145, 362, 386, 263, 374, 468, 473, 468, 473, 1, 6, 61, 291, 0, 17,
)  # fmt: skip
THUMBNAIL_PX = 24
# One grey level of the thumbnail counts as much as this many pixels of the landmarks.
LEVEL_PX = 0.5


@dataclass(frozen=True)
class Sources:
    """The pictures that a loop is made of.

    Attributes:
        runs: consecutive pictures at rest.
        to_portrait: per run (2, 3), from the pictures of its take to the portrait.
        crops: per run (n, 2, 3) float64, from the face crop to the portrait.
        size_px: side of the portrait.
    """

    runs: Sequence[Run]
    to_portrait: Sequence[Float64]
    crops: Sequence[Float64]
    size_px: int


def plan_sources(
    material: Material, find_person: PersonFinder | None, size_px: int = SIZE_PX, *, align_takes: bool = True
) -> tuple[Sources, list[Step]]:
    """Find the pictures at rest, and plan the loop by head pose, gaze, and light.

    Args:
        material: takes and their face crops.
        find_person: the segmentation model; it tells where the hair ends; None if there is none.
        size_px: side of the portrait.
        align_takes: move the pictures of each take so that the faces are at the same place; moves the background too.

    Raises:
        StudioError: no part of the video is silent with the mouth closed, or the face is too small or too low.
    """
    runs = rest_runs(material)
    if not runs:
        raise StudioError(
            "The video has no half second of silence with the mouth closed.",
            "Record again, and begin with ten seconds still and silent.",
        )
    head_top_px = None if find_person is None else _head_top_px(material, max(runs, key=len), find_person)
    frame = partial(_sources, material, runs, size_px, align_takes, head_top_px)
    sources = frame({run.take for run in runs})
    steps = plan_loop([_features(material, run, sources, k) for k, run in enumerate(runs)])
    # Only now the takes are known, of which the portrait must not leave the pictures.
    return frame({runs[step.first[0]].take for step in steps}), steps


def _sources(
    material: Material, runs: Sequence[Run], size_px: int, align_takes: bool, head_top_px: float | None, shown: set[int]
) -> Sources:
    main = max(runs, key=len).take
    rest = {take: _at_rest(runs, material, take) for take in {run.take for run in runs}}
    aligned = {take: alignment(rest[take] if align_takes else rest[main], rest[main]) for take in rest}
    areas = [Area.of(*_size(material[take][0])).moved(aligned[take]) for take in sorted(shown)]
    portrait = portrait_of(rest[main], reduce(Area.shared, areas), size_px, head_top_px)
    to_portrait = {take: composed(portrait, aligned[take]) for take in rest}
    crops = [
        composed(to_portrait[run.take], material[run.take][1].crop_to_picture[run.start : run.stop].astype(np.float64))
        for run in runs
    ]
    return Sources(runs, [to_portrait[run.take] for run in runs], crops, size_px)


def _size(take: Take) -> tuple[int, int]:
    """Width and height of the pictures."""
    return take.pictures.shape[2], take.pictures.shape[1]


def _head_top_px(material: Material, run: Run, find_person: PersonFinder) -> float:
    """The first row of a picture with the person, in the columns of the face."""
    take, crops = material[run.take]
    k = (run.start + run.stop) // 2
    corners = np.array([[0, 0, 1], [CROP_PX, 0, 1]]) @ crops.crop_to_picture[k].T
    left, right = np.clip(corners[:, 0], 0, take.pictures.shape[2] - 1).astype(int).tolist()
    rows = (find_person(np.asarray(take.pictures[k]))[:, left : right + 1] > 127).any(axis=1)
    return float(np.argmax(rows))


def _at_rest(runs: Sequence[Run], material: Material, take: int) -> Float32:
    """(n, 2, 3) crop to picture of all pictures at rest of a take."""
    parts = [material[take][1].crop_to_picture[run.start : run.stop] for run in runs if run.take == take]
    return np.concatenate(parts)


def _features(material: Material, run: Run, sources: Sources, number: int) -> Float32:
    """(n, F) float32: landmarks in the portrait and a thumbnail, scaled so that distances are in pixels."""
    take, crops = material[run.take]
    marks = crops.landmarks_px[run.start : run.stop][:, COMPARED, :2].astype(np.float64)
    maps = sources.crops[number]
    placed = np.einsum("nij,nkj->nki", maps[:, :, :2], marks) + maps[:, None, :, 2]
    small = sources.to_portrait[number] * (THUMBNAIL_PX / sources.size_px)
    thumbnails = np.stack(
        [
            cv2.cvtColor(cut_portrait(np.asarray(take.pictures[k]), small, THUMBNAIL_PX), cv2.COLOR_BGR2GRAY)
            for k in range(run.start, run.stop)
        ]
    )
    parts = (
        placed.reshape(len(run), -1) / np.sqrt(len(COMPARED)),
        thumbnails.reshape(len(run), -1) * (LEVEL_PX / THUMBNAIL_PX),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)
