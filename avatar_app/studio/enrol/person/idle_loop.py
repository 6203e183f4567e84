"""Makes the seamless idle loop of a person from the silent seconds of their video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.enrol.person.flow_morph import Flow, measure_flow, morph
from avatar_app.studio.enrol.person.idle_material import Run, rest_runs
from avatar_app.studio.enrol.person.idle_plan import Step, joins_of, plan_loop
from avatar_app.studio.enrol.person.material import FaceCrops, Take
from avatar_app.studio.enrol.person.portrait import SIZE_PX, Area, alignment, composed, cut_portrait, portrait_of
from avatar_app.studio.enrol.person.smooth import smoothed

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
# The light of the forehead and the cheeks, in the crop: rows and columns.
SKIN = (slice(48, 150), slice(72, 184))
LIGHT_SMOOTHING_FRAMES = 8.0
GAIN_RANGE = (0.75, 1.33)
# Flow is averaged over the pictures of a join, because it changes little and its noise would be seen as jitter.
FLOW_SMOOTHING_FRAMES = 2.0


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


@dataclass(frozen=True)
class IdleLoop:
    """A seamless idle loop. It can be iterated repeatedly.

    Attributes:
        steps: how each picture is made.
        portraits: per run (n, size, size, 4) uint8 BGRA of the pictures that are used.
        crop_to_portrait: (n_steps, 2, 3) float32.
    """

    steps: Sequence[Step]
    portraits: Sequence[dict[int, UInt8]]
    crop_to_portrait: Float32

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[UInt8]:
        for join in _groups(self.steps):
            flows = self._flows(join) if join[0].second is not None else []
            for k, step in enumerate(join):
                yield self._picture(step, flows[k] if flows else None)

    def _picture(self, step: Step, flow: Flow | None) -> UInt8:
        first = self.portraits[step.first[0]][step.first[1]]
        if step.second is None or flow is None:
            return first
        return morph(first, self.portraits[step.second[0]][step.second[1]], flow, step.share)

    def _flows(self, join: Sequence[Step]) -> list[Flow]:
        pairs = [(step.first, step.second) for step in join if step.second is not None]
        flows = [measure_flow(self.portraits[a[0]][a[1]], self.portraits[b[0]][b[1]]) for a, b in pairs]
        there, back = (
            _smoothed(np.stack(way)) for way in zip(*((flow.there, flow.back) for flow in flows), strict=True)
        )
        return [Flow(*both) for both in zip(there, back, strict=True)]


def plan_sources(material: Material, size_px: int = SIZE_PX, *, align_takes: bool = True) -> tuple[Sources, list[Step]]:
    """Find the pictures at rest, and plan the loop by head pose, gaze, and light.

    Args:
        material: takes and their face crops.
        size_px: side of the portrait.
        align_takes: move the pictures of each take so that the faces are at the same place; moves the background too.

    Raises:
        StudioError: no part of the video is silent with the mouth closed.
    """
    runs = rest_runs(material)
    if not runs:
        raise StudioError(
            "The video has no half second of silence with the mouth closed.",
            "Record again, and begin with ten seconds still and silent.",
        )
    sources = _sources(material, runs, size_px, align_takes, {run.take for run in runs})
    steps = plan_loop([_features(material, run, sources, k) for k, run in enumerate(runs)])
    # Only now the takes are known, of which the portrait must not leave the pictures.
    used = {runs[step.first[0]].take for step in steps}
    return _sources(material, runs, size_px, align_takes, used), steps


def _sources(material: Material, runs: Sequence[Run], size_px: int, align_takes: bool, shown: set[int]) -> Sources:
    main = max(runs, key=len).take
    rest = {take: _at_rest(runs, material, take) for take in {run.take for run in runs}}
    aligned = {take: alignment(rest[take] if align_takes else rest[main], rest[main]) for take in rest}
    areas = [Area.of(*_size(material[take][0])).moved(aligned[take]) for take in sorted(shown)]
    portrait = portrait_of(rest[main], reduce(Area.shared, areas), size_px)
    to_portrait = {take: composed(portrait, aligned[take]) for take in rest}
    crops = [
        composed(to_portrait[run.take], material[run.take][1].crop_to_picture[run.start : run.stop].astype(np.float64))
        for run in runs
    ]
    return Sources(runs, [to_portrait[run.take] for run in runs], crops, size_px)


def _size(take: Take) -> tuple[int, int]:
    """Width and height of the pictures."""
    return take.pictures.shape[2], take.pictures.shape[1]


def make_loop(
    material: Material, sources: Sources, steps: Sequence[Step], cut_out: Callable[[Run, UInt8], UInt8]
) -> IdleLoop:
    """Make the pictures of a planned loop.

    Args:
        material: takes and their face crops.
        sources: the pictures at rest.
        steps: the plan.
        cut_out: alpha and clean colours, (n, size, size, 4) uint8 BGRA, for the portraits of some consecutive pictures
            of a run, (n, size, size, 3) uint8 BGR; the `Run` names the pictures.
    """
    gains = _gains(material, sources.runs)
    portraits: list[dict[int, UInt8]] = []
    for number, run in enumerate(sources.runs):
        used = _used(steps, number)
        pictures: dict[int, UInt8] = {}
        if used:
            take = material[run.take][0]
            part = Run(run.take, run.start + min(used), run.start + max(used) + 1)
            cut = np.stack(
                [
                    cut_portrait(np.asarray(take.pictures[k]), sources.to_portrait[number], sources.size_px)
                    for k in range(part.start, part.stop)
                ]
            )
            shown = cut_out(part, cut)
            for place, picture in zip(range(min(used), max(used) + 1), shown, strict=True):
                pictures[place] = _lit(picture, gains[number][place])
        portraits.append(pictures)
    return IdleLoop(steps, portraits, _crops_of(sources, steps))


def measure_loop(loop: IdleLoop) -> dict[str, float]:
    """Measures of the seams of a loop.

    Returns:
        `seam_ratio`, the largest change between pictures in the joins by the usual change elsewhere (the 95th
        percentile, because people blink); `seam_median_ratio`, the same by the median of the changes elsewhere;
        `crop_jitter_px`, the second difference of the mouth's place, 95th percentile.
    """
    changes, first, before = [], None, None
    for picture in loop:
        flat = _on_grey(picture)
        if before is None:
            first = flat
        else:
            changes.append(float(np.abs(flat - before).mean()))
        before = flat
    if first is None or before is None:
        return {}
    change = np.array([float(np.abs(first - before).mean()), *changes])
    joins = joins_of(loop.steps)
    usual = change[~joins] if (~joins).any() else change
    at_joins = change[joins] if joins.any() else usual
    mouth = loop.crop_to_portrait @ np.array([127.5, 200.0, 1.0])
    bend = np.linalg.norm(np.roll(mouth, -1, 0) - 2 * mouth + np.roll(mouth, 1, 0), axis=1)
    return {
        "seam_ratio": float(at_joins.max() / np.percentile(usual, 95)),
        "seam_median_ratio": float(at_joins.max() / np.median(usual)),
        "crop_jitter_px": float(np.percentile(bend, 95)),
    }


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


def _gains(material: Material, runs: Sequence[Run]) -> list[Float64]:
    """Per run (n, 3): factors that give the skin the same light in all pictures, without slow drift."""
    light = [
        np.stack([material[run.take][1].frames[k][SKIN].mean(axis=(0, 1)) for k in range(run.start, run.stop)])
        for run in runs
    ]
    wanted = np.median(np.concatenate(light), axis=0)
    return [np.clip(wanted / np.maximum(smoothed(part, LIGHT_SMOOTHING_FRAMES), 1), *GAIN_RANGE) for part in light]


def _smoothed(fields: Float32) -> Float32:
    """Gaussian smoothing of (n, H, W, 2) over the pictures; the first and the last one are repeated."""
    flat = np.ascontiguousarray(fields.reshape(len(fields), -1))
    smooth = cv2.GaussianBlur(flat, (1, 0), 0, sigmaY=FLOW_SMOOTHING_FRAMES, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth, np.float32).reshape(fields.shape)


def _lit(picture: UInt8, gain: Float64) -> UInt8:
    lit = np.clip(picture[:, :, :3] * gain.astype(np.float32), 0, 255)
    return np.dstack((np.rint(lit).astype(np.uint8), picture[:, :, 3]))


def _used(steps: Sequence[Step], run: int) -> set[int]:
    """Places of the pictures of a run that the loop shows."""
    places = [place for step in steps for place in (step.first, step.second) if place is not None]
    return {place[1] for place in places if place[0] == run}


def _crops_of(sources: Sources, steps: Sequence[Step]) -> Float32:
    """(n_steps, 2, 3): in a join, the crop moves from one place to the other as the morph moves the face."""
    maps = []
    for step in steps:
        a = sources.crops[step.first[0]][step.first[1]]
        b = a if step.second is None else sources.crops[step.second[0]][step.second[1]]
        maps.append(a + step.share * (b - a))
    return np.stack(maps).astype(np.float32)


def _groups(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Each join as a whole, and each other picture alone."""
    group: list[Step] = []
    for step in steps:
        is_same = group and step.second is not None and step.share > group[-1].share and group[-1].second is not None
        if group and not is_same:
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _on_grey(picture: UInt8) -> Float32:
    alpha = picture[:, :, 3:].astype(np.float32) / 255
    return np.asarray(picture[:, :, :3] * alpha + 128 * (1 - alpha), np.float32)
