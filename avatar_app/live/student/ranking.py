"""Which engine and precision is fastest here: measured once per machine and model, then remembered."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import InputFileError, MissingFileError, ModelError
from avatar_app.contracts.fields import MAX_CHARACTERS, check_fields, problem
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student.engine import installed_engines
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.processor import cpu_name, instruction_set

log = logging.getLogger(__name__)

SCHEMA = 1
# Mouth PSNR that a precision may lose against FP32 and still be chosen without being asked for.
BUDGET_DB = 0.3
# The order before anything was measured.
DEFAULT_ORDER = (Precision.MIXED, Precision.INT8, Precision.FP16, Precision.FP32)
PACKAGES = ("openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
MEASURE_S = 1.0
WARM_UP_STEPS = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """One engine in one precision; `error` says why it cannot run, its times are 0 then."""

    engine: str
    precision: str
    arithmetic: str = ""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    error: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        Precision(self.precision)


@dataclass(frozen=True, slots=True)
class Ranking:
    """All pairs of a model on this machine."""

    pairs: tuple[Pair, ...]

    def order(self) -> list[tuple[str, Precision]]:
        """Pairs that run, fastest first."""
        running = [pair for pair in self.pairs if not pair.error]
        running.sort(key=lambda pair: (pair.p50_ms, DEFAULT_ORDER.index(Precision(pair.precision))))
        return [(pair.engine, Precision(pair.precision)) for pair in running]


def within_budget(spec: StudentSpec) -> tuple[Precision, ...]:
    """Precisions whose published loss against FP32 stays within the budget."""
    losses = spec.quality.get("loss_db", {})
    return tuple(p for p in DEFAULT_ORDER if p in spec.files and losses.get(p.value, 0.0) <= BUDGET_DB)


def machine_key(spec: StudentSpec) -> str:
    """Changes when the model, the processor or an engine does: then the ranking is measured again."""
    processor = [platform.machine(), cpu_name(), instruction_set(), os.cpu_count()]
    facts = [*processor, platform.system(), *map(_version, PACKAGES)]
    facts += [f"{p.value}:{file.sha256}" for p, file in sorted(spec.files.items(), key=lambda item: item[0].value)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def read(spec: StudentSpec, cache_dir: Path) -> Ranking | None:
    """The remembered ranking; None when there is none for this machine and model, or it is damaged."""
    path = _path(spec, cache_dir)
    try:
        data = read_object(path)
        if data["schema"] != SCHEMA or data["key"] != machine_key(spec):
            return None
        return Ranking(tuple(Pair(**pair) for pair in data["pairs"]))
    except MissingFileError:
        return None
    except (InputFileError, ValueError, KeyError, TypeError) as error:
        log.warning("the ranking %s is measured again: %s", path, problem(error))
        return None


def write(spec: StudentSpec, cache_dir: Path, found: Ranking) -> None:
    """Remember a ranking.

    Raises:
        OSError: the folder cannot be written to.
    """
    data = {"schema": SCHEMA, "key": machine_key(spec), "pairs": [asdict(pair) for pair in found.pairs]}
    write_text(_path(spec, cache_dir), json.dumps(data, indent=2) + "\n")


def measure(folder: Path, seconds: float = MEASURE_S) -> Ranking:
    """Run every installed engine in every precision of a model for a while, one thread each.

    Raises:
        ModelError: the manifest cannot be used.
    """
    spec = read_manifest(folder)
    pairs = [(engine, precision) for engine in installed_engines() for precision in spec.files]
    return Ranking(tuple(_measure_pair(folder, spec, engine, precision, seconds) for engine, precision in pairs))


def start_measuring(
    model_id: str, cache_dir: Path, models_dir: Path | None = None, user_dir: Path | None = None
) -> subprocess.Popen[str]:
    """Measure a model in a process of its own, of low priority, that remembers the ranking and ends.

    A child, so that an engine that crashes takes nothing with it, and that the memory of engines that are not chosen
    goes back. Its standard error says what went wrong when its exit code is not 0.

    Raises:
        OSError: no process can be started.
    """
    code = f"import sys; from {__name__} import main; sys.exit(main())"
    arguments = [sys.executable, "-c", code, "--model", model_id, "--cache-dir", str(cache_dir)]
    if models_dir is not None:
        arguments += ["--models-dir", str(models_dir)]
    if user_dir is not None:
        arguments += ["--user-dir", str(user_dir)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter and code


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one model and remember the ranking; what `start_measuring` starts."""
    from avatar_app.live.student.registry import find_model

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
    write(read_manifest(folder), arguments.cache_dir, measure(folder, arguments.seconds))
    return 0


def _measure_pair(folder: Path, spec: StudentSpec, engine: str, precision: Precision, seconds: float) -> Pair:
    from avatar_app.live.student.student import open_student

    try:
        student = open_student(folder, spec, engine, precision)
    except ModelError as error:
        return Pair(engine, precision.value, error=str(error)[:MAX_CHARACTERS])
    try:
        student.set_face(np.full((1, 6, spec.size_px, spec.size_px), 0.5, np.float32))
        times_ms = _step_times_ms(lambda mel: student.draw(mel, spec.lookahead_ms[-1]), spec.n_mel_columns, seconds)
        p50_ms, p95_ms = (float(ms) for ms in np.percentile(times_ms, (50, 95)))
        return Pair(engine, precision.value, student.engine.arithmetic, round(p50_ms, 4), round(p95_ms, 4))
    finally:
        student.close()


def _step_times_ms(draw: Callable[[Float32], object], n_columns: int, seconds: float) -> list[float]:
    """How long each step took, in milliseconds, over a while."""
    windows = np.random.default_rng(0).uniform(-4, 4, (16, 80, n_columns)).astype(np.float32)
    for k in range(WARM_UP_STEPS):
        draw(windows[k])
    times_ms: list[float] = []
    t_end = time.perf_counter() + seconds
    while (t_start := time.perf_counter()) < t_end:
        draw(windows[len(times_ms) % len(windows)])
        times_ms.append(1e3 * (time.perf_counter() - t_start))
    return times_ms


def _path(spec: StudentSpec, cache_dir: Path) -> Path:
    return cache_dir / f"ranking-{spec.id}.json"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
