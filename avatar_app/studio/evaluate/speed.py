"""Milliseconds of a step: all models, engines, precisions and thread counts, interleaved in one run.

The load of a shared machine changes within minutes. So every configuration runs in every round, and ratios are taken
within rounds; their spread shows the uncertainty.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.engines import open_session
from avatar_app.machine import hardware
from avatar_app.studio.evaluate.candidates import Candidate
from avatar_app.studio.publish.one_lookahead import example_windows

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

ENGINES = ("openvino", "onnxruntime-cpu")
N_THREADS = (1, 2)
N_ROUNDS = 15
WARM_UP_STEPS = 3
# Duration of a turn, so that slow and fast configurations see the same load.
TURN_MS = 30.0
STEPS_PER_TURN = (3, 60)
STEP, WHOLE = "step", "whole"
PACKAGES = ("openvino", "onnxruntime", "torch", "numpy")


@dataclass
class Runner:
    """One model on one engine in one precision.

    Attributes:
        model: its id.
        form: `step`: the part that runs for each picture; `whole`: the full network as published.
        arithmetic: as reported by the engine.
        run: runs the model once, with input number k.
        close: frees its memory.
        rounds_ms: times of the steps of each round.
    """

    model: str
    form: str
    engine: str
    precision: str
    n_threads: int
    arithmetic: str
    run: Callable[[int], object]
    close: Callable[[], None]
    rounds_ms: list[list[float]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Identity among the runners."""
        return self.model, self.form, self.engine, self.precision, self.n_threads

    def take_turn(self) -> None:
        """Run as many steps as fit into a turn."""
        first_ms = self._timed(0)
        low, high = STEPS_PER_TURN
        n = max(low, min(high, round(TURN_MS / max(first_ms, 1e-3))))
        self.rounds_ms.append([self._timed(k) for k in range(n)])

    def medians_ms(self) -> NDArray[np.float64]:
        """The median of each round."""
        return np.array([np.median(times) for times in self.rounds_ms])

    def to_json(self) -> dict[str, Any]:
        """Median and quartiles over all steps."""
        times_ms = np.concatenate(self.rounds_ms)
        p25, p50, p75 = (round(float(q), 4) for q in np.percentile(times_ms, (25, 50, 75)))
        return {
            "model": self.model,
            "form": self.form,
            "engine": self.engine,
            "precision": self.precision,
            "n_threads": self.n_threads,
            "arithmetic": self.arithmetic,
            "p50_ms": p50,
            "p25_ms": p25,
            "p75_ms": p75,
            "n_steps": len(times_ms),
        }

    def _timed(self, k: int) -> float:
        t_start_s = time.perf_counter()
        self.run(k)
        return 1e3 * (time.perf_counter() - t_start_s)


def measure_speed(
    candidates: Sequence[Candidate],
    n_rounds: int = N_ROUNDS,
    threads: Sequence[int] = N_THREADS,
    done: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure the time of a step of every model.

    Args:
        candidates: the models, with or without a teacher.
        n_rounds: number of rounds.
        threads: thread counts to measure.
        done: called with the name of each finished round.

    Returns:
        `runs`: see `Runner.to_json`; `refused`: what an engine cannot run, with the reason; `headline`: speed-up of
        the fastest configuration of each student over its teacher in FP32 with ONNX Runtime on one thread;
        `against_fp32`: speed-up of each precision over FP32 in the same engine on one thread. Speed-ups have `ratio`
        (median over rounds), `p25`, `p75`.
    """
    runners, refused = _open_all(candidates, threads)
    for runner in runners:
        for k in range(WARM_UP_STEPS):
            runner.run(k)
    for number in range(n_rounds):
        for runner in runners:
            runner.take_turn()
        if done is not None:
            done(round_name(number, n_rounds))
    for runner in runners:
        runner.close()
    return {
        "n_rounds": n_rounds,
        "runs": [runner.to_json() for runner in runners],
        "refused": refused,
        "headline": headline(runners, [c.spec.id for c in candidates if c.is_teacher]),
        "against_fp32": against_fp32(runners),
    }


def round_name(number: int, n_rounds: int) -> str:
    """Name of a round in progress messages."""
    return f"speed, round {number + 1} of {n_rounds}"


def headline(runners: Sequence[Runner], teachers: Sequence[str]) -> list[dict[str, Any]]:
    """Speed-up of each student's fastest configuration on one thread over the teacher's whole network and live step."""
    found = []
    for form in (WHOLE, STEP):
        slow = _find(runners, teachers[0] if teachers else "", form, ENGINES[1], Precision.FP32.value)
        if slow is None:
            continue
        for model in dict.fromkeys(r.model for r in runners if r.model not in teachers):
            own = [r for r in runners if r.model == model and r.n_threads == 1]
            fast = min(own, key=lambda r: float(np.median(r.medians_ms())), default=None)
            if fast is not None:
                pair = {"model": model, "engine": fast.engine, "precision": fast.precision}
                found.append({**pair, "teacher_form": form, **_ratio(slow, fast)})
    return found


def against_fp32(runners: Sequence[Runner]) -> list[dict[str, Any]]:
    """Speed-up of every precision over FP32 by model and engine, on one thread."""
    found = []
    for r in runners:
        exact = _find(runners, r.model, r.form, r.engine, Precision.FP32.value)
        if r.n_threads == 1 and exact is not None and r is not exact:
            pair = {"model": r.model, "engine": r.engine, "precision": r.precision}
            found.append({**pair, **_ratio(exact, r)})
    return found


def machine() -> dict[str, Any]:
    """The machine and the versions of the measurement."""
    return {
        **hardware(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _ratio(slow: Runner, fast: Runner) -> dict[str, float]:
    ratios = slow.medians_ms() / np.maximum(fast.medians_ms(), 1e-9)
    p25, p50, p75 = (round(float(q), 3) for q in np.percentile(ratios, (25, 50, 75)))
    return {"ratio": p50, "p25": p25, "p75": p75}


def _find(runners: Sequence[Runner], model: str, form: str, engine: str, precision: str) -> Runner | None:
    return next((r for r in runners if r.key == (model, form, engine, precision, 1)), None)


def _open_all(candidates: Sequence[Candidate], threads: Sequence[int]) -> tuple[list[Runner], list[dict[str, Any]]]:
    """Runners, and the configurations that an engine refused."""
    refused: list[dict[str, Any]] = []

    def opened(model: str, engine: str, opening: Callable[[], Runner]) -> Iterator[Runner]:
        try:
            yield opening()
        except ModelError as error:
            log.warning("%s", error)
            refused.append({"model": model, "engine": engine, "reason": str(error)})

    runners = [
        runner
        for candidate, engine, n_threads in itertools.product(candidates, ENGINES, threads)
        for opening in _openings(candidate, engine, n_threads)
        for runner in opened(candidate.spec.id, engine, opening)
    ]
    return runners, refused


def _openings(candidate: Candidate, engine: str, n_threads: int) -> list[Callable[[], Runner]]:
    """Functions that open each precision of a candidate, and its whole network if it has one."""
    openings: list[Callable[[], Runner]] = [
        partial(_step_runner, candidate, engine, precision, n_threads) for precision in candidate.spec.files
    ]
    if candidate.whole:
        openings.append(partial(_whole_runner, candidate, engine, n_threads))
    return openings


def _step_runner(candidate: Candidate, engine: str, precision: Precision, n_threads: int) -> Runner:
    student = candidate.open(precision, engine, n_threads)
    windows = [_wide(window, candidate.spec.n_mel_columns) for window in example_windows(4)]
    ms = candidate.spec.lookahead_ms[-1]
    return Runner(
        candidate.spec.id,
        STEP,
        engine,
        precision.value,
        n_threads,
        student.engine.arithmetic,
        lambda k: student.draw(windows[k % len(windows)], ms),
        student.close,
    )


def _whole_runner(candidate: Candidate, engine: str, n_threads: int) -> Runner:
    session = open_session(engine, candidate.whole, Precision.FP32, n_threads)
    inputs = [{"mel": window[None, None], "face": candidate.face} for window in example_windows(4)]
    return Runner(
        candidate.spec.id,
        WHOLE,
        engine,
        Precision.FP32.value,
        n_threads,
        session.info.arithmetic,
        lambda k: session.run(inputs[k % len(inputs)]),
        session.close,
    )


def _wide(window: Float32, n_columns: int) -> Float32:
    """A window with the number of columns that a student takes."""
    return np.ascontiguousarray(np.resize(window, (window.shape[0], n_columns)))
