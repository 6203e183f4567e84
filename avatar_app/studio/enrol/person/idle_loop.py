"""Makes the seamless idle loop of a person from the silent seconds of their video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.enrol.person.flow_morph import Flow, measure_flow, morph
from avatar_app.studio.enrol.person.idle_material import Run
from avatar_app.studio.enrol.person.idle_plan import Step, joins_of
from avatar_app.studio.enrol.person.idle_sources import Material, Sources
from avatar_app.studio.enrol.person.portrait import cut_portrait
from avatar_app.studio.enrol.person.smooth import smoothed

Float64 = NDArray[np.float64]
CutOutFunction = Callable[[Run, UInt8], UInt8]
# Arguments: pictures done, and pictures in all. An exception that it raises ends the work.
Progress = Callable[[int, int], None]

# The light of the forehead and the cheeks, in the crop: rows and columns.
SKIN = (slice(48, 150), slice(72, 184))
LIGHT_SMOOTHING_FRAMES = 8.0
GAIN_RANGE = (0.75, 1.33)
# Flow is averaged over the pictures of a join, because it changes little and its noise would be seen as jitter.
FLOW_SMOOTHING_FRAMES = 2.0


@dataclass(frozen=True)
class IdleLoop:
    """A seamless idle loop. It can be iterated repeatedly.

    Attributes:
        steps: how each picture is made.
        runs: the pictures at rest that the steps name.
        portraits: per run (n, size, size, 4) uint8 BGRA of the pictures that are used.
        crop_to_portrait: (n_steps, 2, 3) float32.
    """

    steps: Sequence[Step]
    runs: Sequence[Run]
    portraits: Sequence[dict[int, UInt8]]
    crop_to_portrait: Float32

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[UInt8]:
        for join in _groups(self.steps):
            flows = self._flows(join) if join[0].second is not None else []
            for k, step in enumerate(join):
                yield self._picture(step, flows[k] if flows else None)

    def first(self, k: int) -> UInt8:
        """Picture k of the loop; in a join, the one that passes into another, before the morph."""
        return self._picture(self.steps[k], None)

    def mixed(self, values: Sequence[NDArray[np.floating]]) -> Float64:
        """(n_steps, d): values of the pictures of each take, (n, d), for the pictures of the loop."""

        def value(at: tuple[int, int]) -> Float64:
            run = self.runs[at[0]]
            return np.asarray(values[run.take][run.start + at[1]], np.float64)

        parts = [(value(step.first), value(step.second or step.first), step.share) for step in self.steps]
        return np.stack([first + share * (second - first) for first, second, share in parts])

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


def make_loop(
    material: Material,
    sources: Sources,
    steps: Sequence[Step],
    cut_out: CutOutFunction,
    progress: Progress = lambda n_done, n_all: None,
) -> IdleLoop:
    """Make the pictures of a planned loop.

    Args:
        material: takes and their face crops.
        sources: the pictures at rest.
        steps: the plan.
        cut_out: alpha and clean colours, (n, size, size, 4) uint8 BGRA, for the portraits of some consecutive pictures
            of a run, (n, size, size, 3) uint8 BGR; the `Run` names the pictures.
        progress: called after the pictures of each run.
    """
    gains = _gains(material, sources.runs)
    used = [_used(steps, number) for number in range(len(sources.runs))]
    n_done, n_all = 0, sum(map(len, used))
    portraits: list[dict[int, UInt8]] = []
    for number, (run, places) in enumerate(zip(sources.runs, used, strict=True)):
        pictures: dict[int, UInt8] = {}
        if places:
            part = Run(run.take, run.start + places.start, run.start + places.stop)
            shown = cut_out(part, _cut(material, sources, number, part))
            for place, picture in zip(places, shown, strict=True):
                pictures[place] = _lit(picture, gains[number][place])
            n_done += len(places)
            progress(n_done, n_all)
        portraits.append(pictures)
    return IdleLoop(steps, sources.runs, portraits, _crops_of(sources, steps))


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


def _used(steps: Sequence[Step], run: int) -> range:
    """Places of the pictures of a run that the loop shows, and those between."""
    shown = [place for step in steps for place in (step.first, step.second) if place is not None]
    places = [place[1] for place in shown if place[0] == run]
    return range(min(places), max(places) + 1) if places else range(0)


def _cut(material: Material, sources: Sources, number: int, part: Run) -> UInt8:
    """(n, size, size, 3): the portraits of some pictures of a run."""
    pictures = material[part.take][0].pictures[part.start : part.stop]
    return np.stack([cut_portrait(np.asarray(p), sources.to_portrait[number], sources.size_px) for p in pictures])


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
