"""The plan of an idle loop, on features that are a place on a line."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_app.studio.enrol.person.idle_plan import Step, joins_of, plan_loop


def run(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def sway(n: int, period: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.05, n)
    t = np.arange(n)
    return np.stack((10 * np.sin(2 * np.pi * t / period) + noise, 10 * np.cos(2 * np.pi * t / period)), axis=1).astype(
        np.float32
    )


def places(steps: list[Step], features: list[np.ndarray]) -> np.ndarray:
    """What a loop shows, as features."""
    shown = []
    for step in steps:
        first = features[step.first[0]][step.first[1]]
        second = first if step.second is None else features[step.second[0]][step.second[1]]
        shown.append(first + step.share * (second - first))
    return np.array(shown)


def test_plan_loop_when_one_run_is_long_then_closed_where_it_returns() -> None:
    features = [sway(320, period=240)]
    steps = plan_loop(features)
    assert 200 <= len(steps) <= 300
    change = np.linalg.norm(np.diff(places([*steps, steps[0]], features), axis=0), axis=1)
    assert change.max() < 2 * np.median(change)
    assert len({step.first[1] for step in steps if step.second is None}) == sum(step.second is None for step in steps)


def test_plan_loop_when_runs_are_short_then_joined_and_played_there_and_back() -> None:
    features = [sway(26, period=100, seed=seed) + 0.5 * seed for seed in range(8)]
    steps = plan_loop(features)
    assert 100 <= len(steps) <= 300
    change = np.linalg.norm(np.diff(places([*steps, steps[0]], features), axis=0), axis=1)
    assert change.max() < 2.5 * np.median(change)
    assert {step.first[0] for step in steps} >= set(range(5))


def test_plan_loop_when_two_runs_are_too_long_together_then_one_alone() -> None:
    steps = plan_loop([sway(90, period=200), sway(100, period=200, seed=1)])
    assert 100 <= len(steps) <= 300


def test_plan_loop_when_one_run_is_far_from_the_others_then_left_out() -> None:
    features = [sway(26, period=100, seed=seed) for seed in range(7)]
    features[3] = features[3] + 100
    assert 3 not in {step.first[0] for step in plan_loop(features)}


def test_plan_loop_when_there_is_one_short_run_then_repeated() -> None:
    steps = plan_loop([sway(15, period=60)])
    assert 100 <= len(steps) <= 300
    assert all(0 <= step.first[1] < 15 for step in steps)


def test_plan_loop_when_a_long_run_cannot_be_closed_then_its_middle_there_and_back() -> None:
    places = [step.first[1] for step in plan_loop([run(*np.linspace(0, 1, 230))])]
    assert 40 <= min(places) < 60
    assert max(places) == 189


def test_plan_loop_when_there_is_no_run_then_empty() -> None:
    assert plan_loop([]) == []


@pytest.mark.parametrize("n", [12, 13, 40, 150, 211])
def test_plan_loop_when_a_run_has_any_length_then_each_picture_is_near_the_one_before(n: int) -> None:
    features = [run(*np.linspace(0, 1, n))]
    steps = plan_loop(features)
    shown = places([*steps, steps[0]], features)
    assert np.abs(np.diff(shown[:, 0])).max() < 8 / n


def test_joins_of_when_a_picture_follows_a_morph_then_part_of_the_join() -> None:
    steps = [Step((0, 0)), Step((0, 1), (1, 0), 0.5), Step((1, 1)), Step((1, 2))]
    assert joins_of(steps).tolist() == [False, True, True, False]
