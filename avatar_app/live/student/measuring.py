"""Measures how fast each engine runs each precision of a model on this machine."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.fields import MAX_CHARACTERS
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student import ranking
from avatar_app.live.student.engines import installed_engines
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.loading import open_student
from avatar_app.live.student.registry import find_model

MEASURE_S = 1.0
WARM_UP_STEPS = 5


def measure(folder: Path, seconds: float = MEASURE_S) -> ranking.Ranking:
    """Time every installed engine in every precision of a model, on one thread each.

    Raises:
        ModelError: the manifest cannot be used.
    """
    spec = read_manifest(folder)
    pairs = [(engine, precision) for engine in installed_engines() for precision in spec.files]
    return ranking.Ranking(
        tuple(_measure_pair(folder, spec, engine, precision, seconds) for engine, precision in pairs)
    )


def start_measuring(
    model_id: str, cache_dir: Path, models_dir: Path | None = None, user_dir: Path | None = None
) -> subprocess.Popen[str]:
    """Measure a model in a child process of low priority, which writes the ranking and ends.

    A process, so that an engine that crashes does not end the program, and the memory of the other engines is released.
    If its exit code is not 0, its standard error has the reason.

    Raises:
        OSError: the process cannot be started.
    """
    code = f"import sys; from {__name__} import main; sys.exit(main())"
    arguments = [sys.executable, "-c", code, "--model", model_id, "--cache-dir", str(cache_dir)]
    if models_dir is not None:
        arguments += ["--models-dir", str(models_dir)]
    if user_dir is not None:
        arguments += ["--user-dir", str(user_dir)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter and code


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one model and write the ranking; `start_measuring` runs this."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="")
    parser.add_argument("--cache-dir", type=Path, required=True)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--user-dir", type=Path)
    parser.add_argument("--seconds", type=float, default=MEASURE_S)
    arguments = parser.parse_args(argv)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    folder = find_model(arguments.model, arguments.models_dir, arguments.user_dir)
    ranking.write(read_manifest(folder), arguments.cache_dir, measure(folder, arguments.seconds))
    return 0


def _measure_pair(folder: Path, spec: StudentSpec, engine: str, precision: Precision, seconds: float) -> ranking.Pair:
    try:
        student = open_student(folder, spec, engine, precision)
    except ModelError as error:
        return ranking.Pair(engine, precision.value, error=str(error)[:MAX_CHARACTERS])
    try:
        student.set_face(np.full((1, 6, spec.size_px, spec.size_px), 0.5, np.float32))
        times_ms = _step_times_ms(lambda mel: student.draw(mel, spec.lookahead_ms[-1]), spec.n_mel_columns, seconds)
        p50_ms, p95_ms = (float(ms) for ms in np.percentile(times_ms, (50, 95)))
        return ranking.Pair(engine, precision.value, student.engine.arithmetic, round(p50_ms, 4), round(p95_ms, 4))
    finally:
        student.close()


def _step_times_ms(step: Callable[[Float32], object], n_columns: int, seconds: float) -> list[float]:
    """Duration of each step, in milliseconds."""
    windows = np.random.default_rng(0).uniform(-4, 4, (16, 80, n_columns)).astype(np.float32)
    for k in range(WARM_UP_STEPS):
        step(windows[k])
    times_ms: list[float] = []
    t_end = time.perf_counter() + seconds
    while (t_start := time.perf_counter()) < t_end:
        step(windows[len(times_ms) % len(windows)])
        times_ms.append(1e3 * (time.perf_counter() - t_start))
    return times_ms
