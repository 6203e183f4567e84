"""Opens a student: chooses engine and precision, checks the files, runs the graph once."""

from __future__ import annotations

import logging
from pathlib import Path

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student import ranking
from avatar_app.live.student.engines import ENGINES, open_session
from avatar_app.live.student.folder import read_manifest, verified_bytes
from avatar_app.live.student.registry import find_model
from avatar_app.live.student.student import Student

log = logging.getLogger(__name__)

AUTO = "auto"


def load(
    model_id: str = "",
    precision: Precision | str = AUTO,
    engine: str = AUTO,
    *,
    models_dir: Path | None = None,
    user_dir: Path | None = None,
    n_threads: int = 1,
    cache_dir: Path | None = None,
) -> Student:
    """Open a model.

    The ranking measured on this machine (`ranking`) chooses what is `auto`; before it exists, a fixed order does. If a
    named engine or precision cannot be used, the call fails: there is no silent fallback.

    Args:
        model_id: a registered model; "" means the default.
        precision: of the published graph; "auto" is the fastest within the model's quality budget.
        engine: one of `engines.ENGINES`, or "auto".
        models_dir: folder of the models; None means the shipped ones.
        user_dir: folder of the user's own models, if any.
        n_threads: that the engine may use for one mouth.
        cache_dir: folder of the ranking; None ignores it.

    Raises:
        ModelError: the model is missing or damaged, or no engine can run it as requested.
    """
    folder = find_model(model_id, models_dir, user_dir)
    return load_folder(folder, precision, engine, n_threads=n_threads, cache_dir=cache_dir)


def load_folder(
    folder: Path,
    precision: Precision | str = AUTO,
    engine: str = AUTO,
    *,
    n_threads: int = 1,
    cache_dir: Path | None = None,
) -> Student:
    """Open the model of a folder; see `load`.

    Raises:
        ModelError: the model is damaged, or no engine can run it as requested.
    """
    spec = read_manifest(folder)
    pairs = _pairs(spec, _precision(precision), engine, cache_dir)
    for engine_name, chosen in pairs[:-1]:
        try:
            return open_student(folder, spec, engine_name, chosen, n_threads)
        except ModelError as error:  # noqa: PERF203
            log.warning("%s in %s with %s: %s", spec.id, chosen.value, engine_name, error)
    return open_student(folder, spec, *pairs[-1], n_threads)


def open_student(folder: Path, spec: StudentSpec, engine: str, precision: Precision, n_threads: int = 1) -> Student:
    """Open a model on one engine in one precision.

    Raises:
        ModelError: a file is missing, damaged or does not match the manifest, or the engine rejects it.
    """
    if precision not in spec.files:
        raise ModelError(f"The model {spec.id} has no version in {precision.value}.", _precisions_hint(spec))
    graph = verified_bytes(folder, spec.files[precision])
    session = open_session(engine, graph, precision, n_threads)
    face_session = None
    if spec.face_file is not None:
        # It runs once: exactness matters, speed does not.
        face_graph = verified_bytes(folder, spec.face_file)
        face_session = open_session(engine, face_graph, Precision.FP32, n_threads)
    student = Student(spec, session, face_session)
    student.try_out()
    return student


def _precision(precision: Precision | str) -> Precision | None:
    """The named precision; None means the fastest.

    Raises:
        ModelError: there is no such precision.
    """
    if isinstance(precision, Precision) or precision == AUTO:
        return None if precision == AUTO else Precision(precision)
    try:
        return Precision(precision)
    except ValueError as error:
        names = ", ".join(p.value for p in Precision)
        raise ModelError(f"There is no precision named {precision!r}.", f"There are: auto, {names}.") from error


def _pairs(
    spec: StudentSpec, precision: Precision | None, engine: str, cache_dir: Path | None
) -> list[tuple[str, Precision]]:
    """Engines and precisions to try, best first."""
    precisions = (precision,) if precision else ranking.within_budget(spec)
    measured = ranking.read(spec, cache_dir) if cache_dir else None
    pairs = measured.order() if measured else [(e, p) for e in _default_engines(engine) for p in precisions]
    wanted = [(e, p) for e, p in pairs if p in precisions and engine in (AUTO, e)]
    # A named pair that was never measured, as of an engine installed later, is tried nevertheless.
    if not wanted:
        wanted = [(e, p) for e in _default_engines(engine) for p in precisions]
    return wanted


def _default_engines(engine: str) -> tuple[str, ...]:
    return ENGINES[:2] if engine == AUTO else (engine,)


def _precisions_hint(spec: StudentSpec) -> str:
    return f"Choose one of: {', '.join(p.value for p in spec.files)}."
