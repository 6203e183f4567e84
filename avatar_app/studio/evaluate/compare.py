"""Compares models with each other and with their teacher: measures the content of `report.json` in one run."""

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
from avatar_app.studio.evaluate import clip_pictures, speed
from avatar_app.studio.evaluate.candidates import Candidate
from avatar_app.studio.evaluate.formatting import ABLATION_COLUMNS
from avatar_app.studio.evaluate.model_cost import file_sizes, model_cost
from avatar_app.studio.evaluate.sensitivity_table import sensitivity
from avatar_app.studio.evaluate.steps import Steps, expected_steps
from avatar_app.studio.metrics.held_out import TestClip, TestData
from avatar_app.studio.metrics.live_path import generated_halves
from avatar_app.studio.metrics.student_scores import clip_psnr_db, expert_distances, score_student, sync_scores
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.provenance import commit_id

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]

SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """The extent of the measurements.

    Attributes:
        n_rounds: rounds of the speed measurement.
        lookaheads_ms: look-aheads of the students; all if None.
        has_videos: whether to write videos.
        ablation: a table of other runs, from `read_ablation`.
    """

    n_rounds: int = speed.N_ROUNDS
    lookaheads_ms: tuple[int, ...] | None = None
    has_videos: bool = True
    ablation: Mapping[str, Any] | None = None

    def lookaheads_of(self, spec: StudentSpec) -> tuple[int, ...]:
        """The selected look-aheads of a model, or its largest if it has none of them."""
        wanted = self.lookaheads_ms
        known = spec.lookahead_ms if wanted is None else tuple(ms for ms in spec.lookahead_ms if ms in wanted)
        return known or (max(spec.lookahead_ms),)


@dataclass(frozen=True)
class ClipPictures:
    """Pictures of one held-out clip.

    Attributes:
        clip: name of the clip.
        rows: mouths of the ground truth, the teacher and the students.
        video: name of the video file beside the page; empty without one.
        poster: preview picture of the video, as a data URI.
    """

    clip: str
    rows: Sequence[clip_pictures.MouthRow]
    video: str = ""
    poster: str = ""


def compare(
    candidates: Sequence[Candidate], data: TestData, expert: SyncExpert | None, plan: Plan, out: Path
) -> tuple[dict[str, Any], list[ClipPictures]]:
    """Measure everything.

    Args:
        candidates: students; their teacher first, if there is one.
        data: held-out clips, voices and noises.
        expert: sync expert; without one, no sync is measured.
        plan: extent of the measurements.
        out: folder for the videos.

    Returns:
        The content of `report.json`, and the pictures of each clip.

    Raises:
        ModelError: no engine can run a model.
        OutputError: a video cannot be written.
    """
    lookaheads_ms = {c.spec.id: plan.lookaheads_of(c.spec) for c in candidates}
    done = Steps(expected_steps(candidates, lookaheads_ms, data, plan.n_rounds))
    found = _setup(data)
    found["speed"] = speed.measure_speed(candidates, plan.n_rounds, done=done)
    found["models"] = {c.spec.id: _model(c, data, expert, plan, done) for c in candidates}
    if expert is not None:
        found["true_sync"] = sync_scores([expert_distances(expert, test.av_clip) for test in data.clips])
    if plan.ablation is not None:
        found["ablation"] = dict(plan.ablation)
    return found, [_clip_pictures(test, candidates, data, plan, out, done) for test in data.clips]


def _setup(data: TestData) -> dict[str, Any]:
    """The entries of the report about time, machine and data."""
    return {
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


def read_ablation(path: Path) -> dict[str, Any]:
    """Read a table of runs: `budget` is a text, `rows` have a `name` and numbers.

    Raises:
        StudioError: the file cannot be read, or has another form.
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


def _model(candidate: Candidate, data: TestData, expert: SyncExpert | None, plan: Plan, done: Steps) -> dict[str, Any]:
    spec = candidate.spec
    student = candidate.open(candidate.quality_precision)
    scores = score_student(student, data, plan.lookaheads_of(spec), expert, done)
    label = student.engine.label
    student.close()
    return {
        "title": spec.title,
        "architecture": spec.architecture,
        "licence": spec.licence,
        "is_teacher": candidate.is_teacher,
        "lookahead_ms": list(spec.lookahead_ms),
        "size_px": spec.size_px,
        "cost": model_cost(candidate.folder, spec),
        "file_bytes": file_sizes(candidate.folder, spec),
        "precisions": _precisions(candidate, data, done),
        "quality": {"precision": candidate.quality_precision.value, "engine": "openvino", "runs_as": label, **scores},
        "sensitivity": sensitivity(spec),
    }


def _precisions(candidate: Candidate, data: TestData, done: Steps) -> dict[str, Any]:
    """Mouth PSNR of each precision by engine, at the largest look-ahead, and its loss against FP32 there."""
    ms = max(candidate.spec.lookahead_ms)
    found: dict[str, Any] = {"lookahead_ms": ms}
    for engine in speed.ENGINES:
        psnr_db = {}
        for precision in candidate.spec.files:
            student = candidate.open(precision, engine)
            psnr_db[precision.value] = clip_psnr_db(student, data, ms)
            student.close()
        exact_db = psnr_db[Precision.FP32.value]
        found[engine] = {
            name: {"mouth_psnr_db": round(db, 3), "loss_db": round(exact_db - db, 3)} for name, db in psnr_db.items()
        }
        done(f"{candidate.spec.id}, precisions with {engine}")
    return found


def _clip_pictures(
    test: TestClip, candidates: Sequence[Candidate], data: TestData, plan: Plan, out: Path, done: Steps
) -> ClipPictures:
    generated: dict[str, UInt8] = {}
    for candidate in candidates:
        student = candidate.open(candidate.quality_precision)
        halves = generated_halves(student, test.samples, max(plan.lookaheads_of(candidate.spec)), data.rest)
        generated[candidate.spec.id] = halves[: len(test.mouths)]
        student.close()
    rows = clip_pictures.mouth_rows(test, generated)
    done(f"pictures of {test.name}")
    if not plan.has_videos:
        return ClipPictures(test.name, rows)
    titles = {clip_pictures.GROUND_TRUTH: "Ground truth", **{c.spec.id: c.spec.title for c in candidates}}
    name = f"{test.name}.mp4"
    clip_pictures.write_video(out / name, test, generated, titles, data.rest)
    return ClipPictures(test.name, rows, name, clip_pictures.poster(test, generated, titles, data.rest))
