"""Writes a model folder, and registers it when it passed the gate."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.student_spec import MANIFEST_SCHEMA, Precision, StudentSpec
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.processor import cpu_name, instruction_set
from avatar_app.live.student.registry import REGISTRY_SCHEMA
from avatar_app.live.student.student import open_student
from avatar_app.studio.evaluate.report import TestData, clip_psnr_db, evaluate
from avatar_app.studio.export import qdq, quantize, sensitivity
from avatar_app.studio.export.calibration import calibration_feeds
from avatar_app.studio.export.graphs import Source, export_face, export_packed, export_student
from avatar_app.studio.export.running import Feed
from avatar_app.studio.provenance import commit_id
from avatar_app.studio.publish import gate
from avatar_app.studio.publish.card import card

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

N_GOLDEN = 8
CHART = "sensitivity.svg"
TENSORRT = "student-tensorrt.onnx"
# The look-ahead that precisions are compared at.
COMPARED_MS = 160


def publish(
    source: Source,
    data: Path,
    tests: TestData,
    face: Float32,
    models_dir: Path,
    facts: Mapping[str, Any],
    *,
    with_tensorrt: bool = False,
) -> None:
    """Export, quantize, measure, judge, write and register one student.

    Args:
        source: the student.
        data: folder that holds speech/, for calibration.
        tests: held-out clips and voices.
        face: (1, 6, S, S) float32, the avatar's face at the student's size.
        models_dir: where model folders lie.
        facts: provenance: recipes and scores of the training runs.
        with_tensorrt: also write `student-tensorrt.onnx`, INT8 as TensorRT wants it.

    Raises:
        StudioError: the model did not pass; nothing is changed then.
    """
    unfinished, replaced = (models_dir / f"{source.id}.{state}" for state in ("unfinished", "replaced"))
    if replaced.exists() and not (models_dir / source.id).exists():
        # Killed between the two moves below.
        replaced.rename(models_dir / source.id)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    seen = face if source.face is not None else None
    feeds = calibration_feeds(source, data, seen, np.random.default_rng(0))
    sweep = _write_graphs(source, feeds, unfinished, facts, with_tensorrt=with_tensorrt)
    (unfinished / CHART).write_text(sensitivity.chart(sweep), encoding="utf-8")
    golden = gate.make_golden(source, [f["mel"][0, 0] for f in feeds[:: len(feeds) // N_GOLDEN][:N_GOLDEN]], seen)
    golden.save(unfinished / "golden.npz")
    manifest = manifest_of(source, unfinished, {**facts, "sensitivity": sweep})
    spec = save_manifest(unfinished, manifest)
    manifest["quality"] = _judge(unfinished, spec, golden, tests, face)
    save_manifest(unfinished, manifest)
    (unfinished / "README.md").write_text(card(manifest), encoding="utf-8")
    # Aside first: to delete it takes longer than to rename it, and the program may start any moment.
    shutil.rmtree(replaced, ignore_errors=True)
    if (models_dir / source.id).exists():
        (models_dir / source.id).rename(replaced)
    unfinished.rename(models_dir / source.id)
    shutil.rmtree(replaced, ignore_errors=True)
    register(source.id, models_dir)


def register(model_id: str, models_dir: Path, default: str | None = None) -> None:
    """Add a model to the registry; the first one is the default until another is named."""
    path = models_dir / "registry.json"
    data: dict[str, Any] = {"schema": REGISTRY_SCHEMA, "models": []}
    if path.exists():
        data = json.loads(path.read_text(encoding="utf-8"))
    if model_id not in data["models"]:
        data["models"].append(model_id)
    data["default"] = default or data.get("default", model_id)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _write_graphs(
    source: Source, feeds: list[Feed], folder: Path, facts: Mapping[str, Any], *, with_tensorrt: bool
) -> dict[str, Any]:
    """Write a file for each precision, and the face's graph; what the sweep found."""
    exact, packed = quantize.prepared(export_student(source)), quantize.prepared(export_packed(source))
    nodes = quantize.candidates(packed, ())
    calibration = qdq.calibrate(packed, feeds)
    found = sensitivity.sweep(packed, calibration, feeds, nodes, log.info)
    careful = [node for node in nodes if node.startswith(source.stays_float or ("?",))]
    mixed = sensitivity.to_mixed(packed, calibration, feeds, found.damages, careful)
    int8, scales = qdq.with_8bit_inputs(qdq.to_int8(packed, calibration, nodes))
    half, more_scales = qdq.with_8bit_inputs(mixed.graph)
    graphs = {
        "student-fp32": exact,
        "student-fp16": quantize.to_fp16(exact),
        "student-int8": int8,
        "student-mixed": quantize.with_half_weights(half),
    }
    if with_tensorrt:
        large = [node for node in nodes if node not in mixed.stays_float]
        graphs[Path(TENSORRT).stem] = qdq.to_int8(packed, calibration, large, is_symmetric=True)
    for name, graph in graphs.items():
        save_graph(source, graph, folder / f"{name}.onnx", facts)
    face = export_face(source)
    if face is not None:
        wanted = {port.name for graph in graphs.values() for port in graph.graph.input}
        save_graph(source, qdq.with_8bit_outputs(face, wanted, scales | more_scales), folder / "face.onnx", facts)
    return sensitivity.facts(found, mixed)


def config_hash(facts: Mapping[str, Any]) -> str:
    """A short name for how the networks of a model were trained: equal for equal recipes."""
    recipes = {name: about.get("recipe") for name, about in facts.items() if isinstance(about, Mapping)}
    return hashlib.sha256(json.dumps(recipes, sort_keys=True).encode()).hexdigest()[:16]


def save_graph(source: Source, graph: onnx.ModelProto, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a graph that says what it is, who may use it, and what it was learned from and how."""
    about = {
        "title": source.title,
        "architecture": source.architecture,
        "licence": source.licence,
        "trained_on": "; ".join(source.trained_on),
        "commit": commit_id(),
        "config_hash": config_hash(facts),
    }
    del graph.metadata_props[:]
    for key, value in about.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, path)


def manifest_of(source: Source, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the files that lie in a folder, not measured yet."""
    box = source.box
    return {
        "schema": MANIFEST_SCHEMA,
        "id": source.id,
        "title": source.title,
        "architecture": source.architecture,
        "avatar_id": source.avatar_id,
        "size_px": source.size_px,
        "n_mel_columns": source.n_mel_columns,
        "mel_fingerprint": MEL.fingerprint(),
        "lookahead_ms": list(source.lookahead_ms),
        "patch_box": [box.x, box.y, box.w, box.h],
        "files": {p.value: _entry(file) for p in Precision if (file := folder / f"student-{p.value}.onnx").exists()},
        "face_file": _entry(folder / "face.onnx") if source.face is not None else None,
        "golden_file": _entry(folder / "golden.npz"),
        "tensorrt_file": _entry(folder / TENSORRT) if (folder / TENSORRT).exists() else None,
        "licence": source.licence,
        "n_parameters": source.n_parameters,
        "provenance": {
            "trained_on": list(source.trained_on),
            "commit": commit_id(),
            "config_hash": config_hash(facts),
            "versions": _versions(),
            **facts,
        },
        "quality": {},
    }


def _judge(folder: Path, spec: StudentSpec, golden: gate.Golden, tests: TestData, face: Float32) -> dict[str, Any]:
    """All measurements; raises where one is not good enough."""
    gate.check_sizes(folder, spec)
    near_db = gate.check_golden(folder, spec, golden)
    by_engine = {engine: _losses_db(folder, spec, engine, tests, face) for engine in gate.ENGINES}
    log.info("loss against FP32 in dB: %s", by_engine)
    # What a precision costs is what it costs where it costs most: engines round at different places.
    losses_db = {p.value: max(losses[p.value] for losses in by_engine.values()) for p in spec.files}
    gate.check_budget(losses_db)
    times_ms = gate.measure_speed(folder, spec, golden)
    log.info("step in ms: %s", times_ms)
    speedup = gate.check_speed(times_ms)
    student = open_student(folder, spec, "openvino", Precision.MIXED)
    student.set_face(face)
    scores = evaluate(student, tests)
    return {
        "loss_db": losses_db,
        "loss_db_by_engine": by_engine,
        "golden_psnr_db": near_db,
        "step_ms": {"machine": f"{cpu_name()}, {instruction_set()}, one thread", **times_ms},
        "speedup": speedup,
        "held_out": {"precision": "mixed", **scores},
    }


def _losses_db(folder: Path, spec: StudentSpec, engine: str, tests: TestData, face: Float32) -> dict[str, float]:
    """By precision: how much mouth PSNR on the held-out clips goes against FP32 in the same engine."""
    psnr_db = {}
    for precision in spec.files:
        student = open_student(folder, spec, engine, precision)
        student.set_face(face)
        psnr_db[precision.value] = clip_psnr_db(student, tests, COMPARED_MS)
        student.close()
    return {name: round(psnr_db[Precision.FP32.value] - value, 3) for name, value in psnr_db.items()}


def save_manifest(folder: Path, manifest: Mapping[str, Any]) -> StudentSpec:
    """Write `manifest.json`, and read it as the live program does."""
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return read_manifest(folder)


def _entry(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "onnx", "onnxruntime", "openvino", "numpy")}
