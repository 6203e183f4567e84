"""Writes a model folder, and registers it when it passes the checks of `gate`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing_folder, write_text
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.student_spec import MANIFEST_SCHEMA, Precision, StudentSpec
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.loading import open_student
from avatar_app.live.student.processor import cpu_name, instruction_set
from avatar_app.live.student.registry import REGISTRY_SCHEMA
from avatar_app.studio.export import qdq, quantize, sensitivity
from avatar_app.studio.export.calibration import calibration_feeds, training_voices
from avatar_app.studio.export.graphs import TrainedStudent, export_face, export_packed, export_student
from avatar_app.studio.export.running import Feed
from avatar_app.studio.metrics.held_out import TestData
from avatar_app.studio.metrics.student_scores import clip_psnr_db, score_student
from avatar_app.studio.provenance import commit_id
from avatar_app.studio.publish import gate
from avatar_app.studio.publish.card import card

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

N_GOLDEN = 8
CHART = "sensitivity.svg"
TENSORRT = "student-tensorrt.onnx"
# Precisions are compared at this look-ahead.
COMPARED_MS = 160


def publish(
    trained: TrainedStudent,
    data: Path,
    tests: TestData,
    face: Float32,
    models_dir: Path,
    facts: Mapping[str, Any],
    *,
    with_tensorrt: bool = False,
) -> None:
    """Export, quantize, measure, check, write and register one student.

    Args:
        trained: the student.
        data: folder that holds speech/, for calibration.
        tests: held-out clips and voices.
        face: (1, 6, S, S) float32, the avatar's face at the student's size.
        models_dir: where model folders lie.
        facts: provenance: recipes and scores of the training runs.
        with_tensorrt: also write `student-tensorrt.onnx`, explicit INT8 for TensorRT.

    Raises:
        StudioError: the model did not pass the checks; the models folder is unchanged.
        OSError: the models folder cannot be written.
    """
    with replacing_folder(models_dir / trained.id) as folder:
        shown = face if trained.face_graph is not None else None
        rng = np.random.default_rng(0)
        feeds = calibration_feeds(trained, training_voices(data, rng), shown, rng)
        swept = write_graphs(trained, feeds, folder, facts, with_tensorrt=with_tensorrt)
        (folder / CHART).write_text(sensitivity.chart(swept), encoding="utf-8")
        golden = write_golden(trained, feeds, shown, folder)
        manifest = manifest_of(trained, folder, {**facts, "sensitivity": swept})
        spec = save_manifest(folder, manifest)
        manifest["quality"] = _measure_and_check(folder, spec, golden, tests, face)
        save_manifest(folder, manifest)
        (folder / "README.md").write_text(card(manifest), encoding="utf-8")
    register(trained.id, models_dir)


def register(model_id: str, models_dir: Path, default: str | None = None) -> None:
    """Add a model to the registry; the first one is the default until another is named."""
    path = models_dir / "registry.json"
    data: dict[str, Any] = {"schema": REGISTRY_SCHEMA, "models": []}
    if path.exists():
        data = json.loads(path.read_text(encoding="utf-8"))
    if model_id not in data["models"]:
        data["models"].append(model_id)
    data["default"] = default or data.get("default", model_id)
    write_text(path, json.dumps(data, indent=2) + "\n")


def write_golden(trained: TrainedStudent, feeds: list[Feed], face: Float32 | None, folder: Path) -> gate.Golden:
    """Write `golden.npz` with some of the calibration windows."""
    windows = [feed["mel"][0, 0] for feed in feeds[:: len(feeds) // N_GOLDEN][:N_GOLDEN]]
    golden = gate.make_golden(trained, windows, face)
    golden.save(folder / "golden.npz")
    return golden


def write_graphs(
    trained: TrainedStudent,
    feeds: list[Feed],
    folder: Path,
    facts: Mapping[str, Any],
    *,
    layers: Sequence[sensitivity.LayerSensitivity] = (),
    with_tensorrt: bool = False,
) -> dict[str, Any]:
    """Write a graph for each precision, and the face encoder's.

    Args:
        trained: the student.
        feeds: calibration set.
        folder: of the model.
        facts: provenance.
        layers: sensitivity of the layers, if it is known from a network of the same architecture; a sweep takes
            minutes.
        with_tensorrt: also write `student-tensorrt.onnx`.

    Returns:
        The entry `sensitivity` of the manifest.
    """
    exact, packed = quantize.prepared(export_student(trained)), quantize.prepared(export_packed(trained))
    nodes = quantize.candidates(packed, ())
    calibration = qdq.calibrate(packed, feeds)
    is_known = {layer.node for layer in layers} == set(nodes)
    found = (
        sensitivity.without_sweep(packed, calibration, feeds, layers)
        if is_known
        else sensitivity.sweep(packed, calibration, feeds, nodes, log.info)
    )
    kept_float = [node for node in nodes if node.startswith(trained.stays_float or ("?",))]
    mixed = sensitivity.to_mixed(packed, calibration, feeds, found.layers, kept_float)
    int8, int8_scales = qdq.with_8bit_inputs(qdq.to_int8(packed, calibration, nodes))
    mixed_graph, mixed_scales = qdq.with_8bit_inputs(mixed.graph)
    graphs = {
        "student-fp32": exact,
        "student-fp16": quantize.to_fp16(exact),
        "student-int8": int8,
        "student-mixed": quantize.with_half_weights(mixed_graph),
    }
    if with_tensorrt:
        large = [node for node in nodes if node not in mixed.stays_float]
        graphs[Path(TENSORRT).stem] = qdq.to_int8(packed, calibration, large, is_symmetric=True)
    for name, graph in graphs.items():
        save_graph(trained, graph, folder / f"{name}.onnx", facts)
    face = export_face(trained)
    if face is not None:
        wanted = {port.name for graph in graphs.values() for port in graph.graph.input}
        face = qdq.with_8bit_outputs(face, wanted, int8_scales | mixed_scales)
        save_graph(trained, face, folder / "face.onnx", facts)
    return sensitivity.facts(found, mixed)


def config_hash(facts: Mapping[str, Any]) -> str:
    """A short hash of how the networks of a model were trained: equal for equal recipes."""
    recipes = {name: about.get("recipe") for name, about in facts.items() if isinstance(about, Mapping)}
    return hashlib.sha256(json.dumps(recipes, sort_keys=True).encode()).hexdigest()[:16]


def save_graph(trained: TrainedStudent, graph: onnx.ModelProto, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a graph with its title, licence, training data, commit and recipe in its metadata."""
    about = {
        "title": trained.title,
        "architecture": trained.architecture,
        "licence": trained.licence,
        "trained_on": "; ".join(trained.trained_on),
        "commit": commit_id(),
        "config_hash": config_hash(facts),
    }
    del graph.metadata_props[:]
    for key, value in about.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, path)


def manifest_of(trained: TrainedStudent, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the files in a folder, without measurements."""
    box = trained.box
    return {
        "schema": MANIFEST_SCHEMA,
        "id": trained.id,
        "title": trained.title,
        "architecture": trained.architecture,
        "avatar_id": trained.avatar_id,
        "size_px": trained.size_px,
        "n_mel_columns": trained.n_mel_columns,
        "mel_fingerprint": MEL.fingerprint(),
        "lookahead_ms": list(trained.lookahead_ms),
        "patch_box": [box.x, box.y, box.w, box.h],
        "files": {p.value: _entry(file) for p in Precision if (file := folder / f"student-{p.value}.onnx").exists()},
        "face_file": _entry(folder / "face.onnx") if trained.face_graph is not None else None,
        "golden_file": _entry(folder / "golden.npz"),
        "tensorrt_file": _entry(folder / TENSORRT) if (folder / TENSORRT).exists() else None,
        "licence": trained.licence,
        "n_parameters": trained.n_parameters,
        "provenance": {
            "trained_on": list(trained.trained_on),
            "commit": commit_id(),
            "config_hash": config_hash(facts),
            "versions": _versions(),
            **facts,
        },
        "quality": {},
    }


def _measure_and_check(
    folder: Path, spec: StudentSpec, golden: gate.Golden, tests: TestData, face: Float32
) -> dict[str, Any]:
    """All measurements of a model folder.

    Raises:
        StudioError: a measurement fails its check.
    """
    gate.check_sizes(folder, spec)
    psnr_db = gate.check_golden(folder, spec, golden)
    by_engine = {engine: _losses_db(folder, spec, engine, tests, face) for engine in gate.ENGINES}
    log.info("loss against FP32 in dB: %s", by_engine)
    # The loss of a precision is that of its worst engine: engines round at different places.
    losses_db = {p.value: max(losses[p.value] for losses in by_engine.values()) for p in spec.files}
    gate.check_budget(losses_db)
    times_ms = gate.measure_speed(folder, spec, golden)
    log.info("step in ms: %s", times_ms)
    speedup = gate.check_speed(times_ms)
    student = open_student(folder, spec, "openvino", Precision.MIXED)
    student.set_face(face)
    scores = score_student(student, tests)
    return {
        "loss_db": losses_db,
        "loss_db_by_engine": by_engine,
        "golden_psnr_db": psnr_db,
        "step_ms": {"machine": f"{cpu_name()}, {instruction_set()}, one thread", **times_ms},
        "speedup": speedup,
        "held_out": {"precision": "mixed", **scores},
    }


def _losses_db(folder: Path, spec: StudentSpec, engine: str, tests: TestData, face: Float32) -> dict[str, float]:
    """By precision: mouth PSNR lost on the held-out clips against FP32 in the same engine."""
    psnr_db = {}
    for precision in spec.files:
        student = open_student(folder, spec, engine, precision)
        student.set_face(face)
        psnr_db[precision.value] = clip_psnr_db(student, tests, COMPARED_MS)
        student.close()
    return {name: round(psnr_db[Precision.FP32.value] - value, 3) for name, value in psnr_db.items()}


def save_manifest(folder: Path, manifest: Mapping[str, Any]) -> StudentSpec:
    """Write `manifest.json`, and return it as the live program reads it."""
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return read_manifest(folder)


def _entry(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "onnx", "onnxruntime", "openvino", "numpy")}
