"""Plans a seamless idle loop: which runs of pictures follow each other, and where one passes into the next.

The runs are the nodes of a graph, and a closed path through it is the loop, as in video textures (Schödl et al. 2000).
The path is found by insertion, the cheapest join first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32

Float64 = NDArray[np.float64]

MIN_PICTURES, ENOUGH_PICTURES, MAX_PICTURES = 100, 200, 300
WANTED_PICTURES = 250
MIN_JOIN, MAX_JOIN = 4, 10
# A join may leave out this share of a run at either end.
SLACK_RATIO = 1 / 8
# A run whose join is this much worse than the usual one is left out, if the others suffice.
OUTLIER_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """One picture of the loop.

    Attributes:
        first: run and place of the picture in it.
        second: the same of the picture that `first` is morphed into; None outside the joins.
        share: how much of `second`.
    """

    first: tuple[int, int]
    second: tuple[int, int] | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class _Join:
    """From picture `leave` of a run into picture `enter` of the next, `length` pictures long."""

    cost: float
    leave: int
    enter: int
    length: int


def plan_loop(features: Sequence[Float32]) -> list[Step]:
    """A closed loop through runs of pictures.

    Args:
        features: per run (n, F) float32. The distance of two pictures' features tells how badly they fit.

    Returns:
        100 to 300 steps; the last one is followed by the first one. A run of eight seconds is closed by a join with
        itself, unless the head has moved away meanwhile. Other runs are played there and back, which needs no join at
        the turn, and if that does not suffice, repeated. Empty without any run.
    """
    if not features:
        return []
    longest = max(range(len(features)), key=lambda number: len(features[number]))
    if len(features[longest]) >= ENOUGH_PICTURES + MAX_JOIN:
        join = _closing(features[longest])
        usual = float(np.median(np.linalg.norm(np.diff(features[longest], axis=0), axis=1)))
        if join.cost <= MAX_JOIN * usual:
            return _steps([longest], [join])
    starts = [max(0, len(run) - MAX_PICTURES // 2) // 2 for run in features]
    parts = [run[start : start + MAX_PICTURES // 2] for run, start in zip(features, starts, strict=True)]
    ring = _ring([np.concatenate((part, part[-2::-1])) for part in parts])
    steps = [_folded(step, starts, [len(part) for part in parts]) for step in ring]
    return steps * -(-MIN_PICTURES // len(steps))


def joins_of(steps: Sequence[Step]) -> NDArray[np.bool_]:
    """(n,) bool: whether picture k or the one before it is a morph."""
    is_morph = np.array([step.second is not None for step in steps], bool)
    return np.asarray(is_morph | np.roll(is_morph, 1), np.bool_)


def _folded(step: Step, starts: Sequence[int], lengths: Sequence[int]) -> Step:
    """A step through parts of runs that are played there and back, as one through the runs."""

    def place(at: tuple[int, int]) -> tuple[int, int]:
        last = lengths[at[0]] - 1
        return at[0], starts[at[0]] + last - abs(last - at[1])

    return Step(place(step.first), None if step.second is None else place(step.second), step.share)


def _ring(runs: Sequence[Float32]) -> list[Step]:
    joins = {(a, b): _join(runs[a], runs[b]) for a in range(len(runs)) for b in range(len(runs))}
    cost = np.array([[joins[a, b].cost for b in range(len(runs))] for a in range(len(runs))])
    ring = _inserted(cost, [len(run) - _join_length(run, run) for run in runs])
    ring = _without_outliers(ring, cost, runs)
    return _steps(ring, [joins[a, b] for a, b in _pairs(ring)])


def _inserted(cost: Float64, lengths: Sequence[int]) -> list[int]:
    """Start with the run that fits the others best; insert the cheapest one until the loop is long enough."""
    ring = [int(np.argmin(np.median(cost + cost.T, axis=1)))]
    while (total := sum(lengths[r] for r in ring)) < WANTED_PICTURES:
        fitting = [r for r in range(len(cost)) if r not in ring and total + lengths[r] <= MAX_PICTURES]
        if not fitting:
            break
        best = min(
            (cost[a, new] + cost[new, b] - (cost[a, b] if a != b else 0.0), new, place)
            for place, (a, b) in enumerate(_pairs(ring))
            for new in fitting
        )
        ring.insert(best[2] + 1, best[1])
    return ring


def _without_outliers(ring: list[int], cost: Float64, runs: Sequence[Float32]) -> list[int]:
    """Leave out runs that fit badly, worst first, while enough pictures are left."""
    while len(ring) > 2:
        pairs = _pairs(ring)
        costs = np.array([cost[pair] for pair in pairs])
        gain = [costs[k - 1] + costs[k] - cost[ring[k - 1], ring[(k + 1) % len(ring)]] for k in range(len(ring))]
        worst = int(np.argmax(gain))
        left = sum(len(runs[r]) - MAX_JOIN for r in ring) - len(runs[ring[worst]]) + MAX_JOIN
        if costs.max() < OUTLIER_FACTOR * np.median(costs) or left < ENOUGH_PICTURES:
            break
        ring = ring[:worst] + ring[worst + 1 :]
    return ring


def _pairs(ring: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(ring, [*ring[1:], ring[0]], strict=True))


def _join_length(a: Float32, b: Float32) -> int:
    return int(np.clip(min(len(a), len(b)) // 3, MIN_JOIN, MAX_JOIN))


def _join(a: Float32, b: Float32) -> _Join:
    """The best join from the last part of one run into the first part of another."""
    length = _join_length(a, b)
    leave = np.arange(max(len(a) - length - int(SLACK_RATIO * len(a)), len(a) // 2), len(a) - length + 1)
    enter = np.arange(0, max(0, min(int(SLACK_RATIO * len(b)), len(b) // 2 - length)) + 1)
    cost = np.mean([_distances(a[leave + t], b[enter + t]) for t in range(length)], axis=0)
    at = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return _Join(float(cost[at]), int(leave[at[0]]), int(enter[at[1]]), length)


def _closing(run: Float32) -> _Join:
    """The best join of a long run with itself, for a loop of the wanted length."""
    starts = np.arange(0, len(run) - MAX_JOIN, 2)
    cost = np.mean([_distances(run[starts + t], run[starts + t]) for t in range(MAX_JOIN)], axis=0)
    n_pictures = starts[:, None] - starts[None, :]
    cost[(n_pictures < ENOUGH_PICTURES) | (n_pictures > MAX_PICTURES)] = np.inf
    at = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return _Join(float(cost[at]), int(starts[at[0]]), int(starts[at[1]]), MAX_JOIN)


def _distances(a: Float32, b: Float32) -> Float64:
    """(n, m) Euclidean distances of features (n, F) and (m, F)."""
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(square, 0)), np.float64)


def _steps(ring: Sequence[int], joins: Sequence[_Join]) -> list[Step]:
    """Run after run: from the end of the join into it to the start of the join out of it, then that join."""
    steps: list[Step] = []
    for k, ((a, b), join) in enumerate(zip(_pairs(ring), joins, strict=True)):
        before = joins[k - 1]
        steps += [Step((a, place)) for place in range(before.enter + before.length, join.leave)]
        for t in range(join.length):
            share = (t + 1) / (join.length + 1)
            steps.append(Step((a, join.leave + t), (b, join.enter + t), share * share * (3 - 2 * share)))
    return steps
