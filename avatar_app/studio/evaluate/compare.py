"""Compares models with each other and with their teacher: everything that the report holds, measured in one run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.studio import arithmetic
from avatar_app.studio.evaluate import cost, speed, strips
from avatar_app.studio.evaluate.candidates import Contestant
from avatar_app.studio.evaluate.mouths import drawn_halves
from avatar_app.studio.evaluate.report import clip_psnr_db, evaluate, expert_distances, sync_scores
from avatar_app.studio.evaluate.sensitivity_table import sensitivity
from avatar_app.studio.evaluate.steps import Steps, expected_steps
from avatar_app.studio.evaluate.words import ABLATION_COLUMNS
from avatar_app.studio.metrics.held_out import TestClip, TestData
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.provenance import commit_id

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]

SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        n_rounds: turns of each in the measurement of speed.
        lookaheads_ms: of the students; all when None.
        has_videos: whether films are made.
        ablation: a table of other runs, from `read_ablation`.
    """

    n_rounds: int = speed.N_ROUNDS
    lookaheads_ms: tuple[int, ...] | None = None
    has_videos: bool = True
    ablation: Mapping[str, Any] | None = None

    def lookaheads_of(self, spec: StudentSpec) -> tuple[int, ...]:
        """Those of a model that are asked for, or its largest."""
        wanted = self.lookaheads_ms
        known = spec.lookahead_ms if wanted is None else tuple(ms for ms in spec.lookahead_ms if ms in wanted)
        return known or (max(spec.lookahead_ms),)


@dataclass(frozen=True)
class Shown:
    """Pictures of one clip: rows, and a film where there is one.

    Attributes:
        clip: its name.
        rows: true, teacher, students.
        video: file beside the page; empty without one.
        poster: its first view, as an address.
    """

    clip: str
    rows: Sequence[strips.Strip]
    video: str = ""
    poster: str = ""


def compare(
    contestants: Sequence[Contestant], data: TestData, expert: SyncExpert | None, plan: Plan, out: Path
) -> tuple[dict[str, Any], list[Shown]]:
    """Measure everything.

    Args:
        contestants: students, and their teacher first if there is one.
        data: what nobody trained on.
        expert: judges sync; None leaves that out.
        plan: how much.
        out: folder for the films.

    Returns:
        What `report.json` holds, and the pictures.

    Raises:
        ModelError: no engine runs a model.
        OutputError: a film cannot be written.
    """
    lookaheads_ms = {c.spec.id: plan.lookaheads_of(c.spec) for c in contestants}
    tell = Steps(expected_steps(contestants, lookaheads_ms, data, plan.n_rounds))
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "made": {"utc": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"), "commit": commit_id()},
        "machine": speed.machine(),
        "arithmetic": arithmetic.in_use("cpu"),
        "data": {
            "clips": [test.name for test in data.clips],
            "n_voices": len(data.voices),
            "noises": [name for name, _ in data.noises],
            "lip_reader_error_px": round(data.lip_reader_error_px, 3),
        },
    }
    found["speed"] = speed.measure_speed(contestants, plan.n_rounds, tell=tell)
    found["models"] = {c.spec.id: _model(c, data, expert, plan, tell) for c in contestants}
    if expert is not None:
        found["true_sync"] = sync_scores([expert_distances(expert, test.scene) for test in data.clips])
    if plan.ablation is not None:
        found["ablation"] = dict(plan.ablation)
    return found, [_shown(test, contestants, data, plan, out, tell) for test in data.clips]


def read_ablation(path: Path) -> dict[str, Any]:
    """A table of runs: `budget` in words, `rows` with a `name` and numbers.

    Raises:
        StudioError: the file cannot be read, or is no such table.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {"name": str(row["name"]), **{key: float(row[key]) for key in ABLATION_COLUMNS if row.get(key) is not None}}
            for row in table["rows"]
        ]
        return {"budget": str(table.get("budget", "")), "rows": rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudioError(
            f"The ablation table {path} cannot be used: {error!r}.", "It needs `rows`, each with a `name` and numbers."
        ) from error


def _model(
    contestant: Contestant, data: TestData, expert: SyncExpert | None, plan: Plan, tell: Steps
) -> dict[str, Any]:
    spec = contestant.spec
    student = contestant.open(contestant.quality_precision)
    scores = evaluate(student, data, plan.lookaheads_of(spec), expert, tell)
    label = student.engine.label
    student.close()
    return {
        "title": spec.title,
        "architecture": spec.architecture,
        "licence": spec.licence,
        "is_teacher": contestant.is_teacher,
        "lookahead_ms": list(spec.lookahead_ms),
        "size_px": spec.size_px,
        "cost": cost.model_cost(contestant.folder, spec),
        "file_bytes": cost.file_sizes(contestant.folder, spec),
        "precisions": _precisions(contestant, data, tell),
        "quality": {"precision": contestant.quality_precision.value, "engine": "openvino", "runs_as": label, **scores},
        "sensitivity": sensitivity(spec),
    }


def _precisions(contestant: Contestant, data: TestData, tell: Steps) -> dict[str, Any]:
    """Mouth PSNR of each precision by engine, at the largest look-ahead, and its loss against FP32 there."""
    ms = max(contestant.spec.lookahead_ms)
    found: dict[str, Any] = {"lookahead_ms": ms}
    for engine in speed.ENGINES:
        psnr_db = {}
        for precision in contestant.spec.files:
            student = contestant.open(precision, engine)
            psnr_db[precision.value] = clip_psnr_db(student, data, ms)
            student.close()
        exact_db = psnr_db[Precision.FP32.value]
        found[engine] = {
            name: {"mouth_psnr_db": round(db, 3), "loss_db": round(exact_db - db, 3)} for name, db in psnr_db.items()
        }
        tell(f"{contestant.spec.id}, precisions with {engine}")
    return found


def _shown(
    test: TestClip, contestants: Sequence[Contestant], data: TestData, plan: Plan, out: Path, tell: Steps
) -> Shown:
    drawn: dict[str, UInt8] = {}
    for contestant in contestants:
        student = contestant.open(contestant.quality_precision)
        halves = drawn_halves(student, test.samples, max(plan.lookaheads_of(contestant.spec)), data.rest)
        drawn[contestant.spec.id] = halves[: len(test.mouths)]
        student.close()
    rows = strips.strips(test, drawn)
    tell(f"pictures of {test.name}")
    if not plan.has_videos:
        return Shown(test.name, rows)
    titles = {strips.TRUE: "True", **{c.spec.id: c.spec.title for c in contestants}}
    name = f"{test.name}.mp4"
    strips.write_video(out / name, test, drawn, titles, data.rest)
    return Shown(test.name, rows, name, strips.poster(test, drawn, titles, data.rest))
