"""The ranking of engines and precisions by speed: measured once per machine and model, then kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import InputFileError, MissingFileError
from avatar_app.contracts.fields import check_fields, problem
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student.processor import cpu_name, instruction_set

log = logging.getLogger(__name__)

SCHEMA = 1
# Loss of mouth PSNR against FP32 up to which `auto` may choose a precision.
BUDGET_DB = 0.3
# The order before the measurement.
DEFAULT_ORDER = (Precision.MIXED, Precision.INT8, Precision.FP16, Precision.FP32)
PACKAGES = ("openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


@dataclass(frozen=True, slots=True)
class Pair:
    """One engine in one precision. If it cannot run, `error` says why and the times are 0."""

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
    """Precisions whose published loss against FP32 is within the budget."""
    losses = spec.quality.get("loss_db", {})
    return tuple(p for p in DEFAULT_ORDER if p in spec.files and losses.get(p.value, 0.0) <= BUDGET_DB)


def machine_key(spec: StudentSpec) -> str:
    """A key that changes with the model, the processor and the engines; a ranking with another key is obsolete."""
    processor = [platform.machine(), cpu_name(), instruction_set(), os.cpu_count()]
    facts = [*processor, platform.system(), *map(_version, PACKAGES)]
    facts += [f"{p.value}:{file.sha256}" for p, file in sorted(spec.files.items(), key=lambda item: item[0].value)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def read(spec: StudentSpec, cache_dir: Path) -> Ranking | None:
    """Read the ranking from the cache; None if there is none for this machine and model, or it is damaged."""
    path = _path(spec, cache_dir)
    try:
        data = read_object(path)
        if data["schema"] != SCHEMA or data["key"] != machine_key(spec):
            return None
        return Ranking(tuple(Pair(**pair) for pair in data["pairs"]))
    except MissingFileError:
        return None
    except (InputFileError, ValueError, KeyError, TypeError) as error:
        log.warning("ranking %s is invalid and will be measured again: %s", path, problem(error))
        return None


def write(spec: StudentSpec, cache_dir: Path, found: Ranking) -> None:
    """Write a ranking to the cache.

    Raises:
        OSError: the folder cannot be written to.
    """
    data = {"schema": SCHEMA, "key": machine_key(spec), "pairs": [asdict(pair) for pair in found.pairs]}
    write_text(_path(spec, cache_dir), json.dumps(data, indent=2) + "\n")


def forget(model_id: str, cache_dir: Path) -> None:
    """Delete the ranking of a model that was deleted; one that cannot be deleted stays."""
    with contextlib.suppress(OSError):
        _file(model_id, cache_dir).unlink(missing_ok=True)


def _path(spec: StudentSpec, cache_dir: Path) -> Path:
    return _file(spec.id, cache_dir)


def _file(model_id: str, cache_dir: Path) -> Path:
    return cache_dir / f"ranking-{model_id}.json"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
