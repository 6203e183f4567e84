"""A model folder small enough to write in a test; it runs in every engine."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from avatar_app.contracts.mel_spec import MEL

N_COLUMNS = 16
SIZE_PX = 16
BOX = (4, 8, 8, 6)
LOOKAHEAD_MS = (0, 40, 80, 160)
LOOKAHEAD_LIGHT = (0.0, 0.1, 0.2, 0.3)


def write_models(root: Path, *ids: str, has_face: bool = False) -> Path:
    """Write `root/registry.json` and a folder for each id."""
    for model_id in ids:
        write_model(root / model_id, has_face=has_face)
    registry = {"schema": 1, "default": ids[0], "models": list(ids)}
    (root / "registry.json").write_text(json.dumps(registry), encoding="utf-8")
    return root


def write_model(folder: Path, *, has_face: bool = False) -> Path:
    """Write one model; FP16 is the same graph, which is enough for everything but numbers."""
    folder.mkdir(parents=True)
    files = {}
    for precision in ("fp32", "fp16"):
        name = f"student-{precision}.onnx"
        (folder / name).write_bytes(student_graph(has_face=has_face).SerializeToString())
        files[precision] = entry(folder, name)
    np.savez(folder / "golden.npz", mel=np.zeros((1, 1, 80, N_COLUMNS), np.float32))
    manifest = {
        "schema": 1,
        "id": folder.name,
        "title": folder.name.title(),
        "architecture": "fake",
        "avatar_id": "disc",
        "size_px": SIZE_PX,
        "n_mel_columns": N_COLUMNS,
        "mel_fingerprint": MEL.fingerprint(),
        "lookahead_ms": LOOKAHEAD_MS,
        "patch_box": BOX,
        "files": files,
        "face_file": None,
        "golden_file": entry(folder, "golden.npz"),
        "licence": "Apache-2.0",
        "n_parameters": 1,
    }
    if has_face:
        (folder / "face.onnx").write_bytes(face_graph().SerializeToString())
        manifest["face_file"] = entry(folder, "face.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def change_manifest(folder: Path, **changes: object) -> None:
    """Overwrite fields of a manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def entry(folder: Path, name: str) -> dict[str, str]:
    return {"file": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}


def expected_grey(mel: np.ndarray, lookahead_ms: int, face_light: float = 0.0) -> float:
    """The grey of all output pixels: 0.3, plus terms for the mean of the mel, the look-ahead and the face."""
    light = LOOKAHEAD_LIGHT[LOOKAHEAD_MS.index(lookahead_ms)]
    return float(np.clip(0.3 + 0.05 * mel.mean() + light + face_light, 0, 1))


def student_graph(*, has_face: bool) -> onnx.ModelProto:
    _, _, width, height = BOX
    n_pixels = 3 * height * width
    weight = np.full((n_pixels, 1, 80, N_COLUMNS), 0.05 / (80 * N_COLUMNS), np.float32)
    constants = {
        "weight": weight,
        "bias": np.full(n_pixels, 0.3, np.float32),
        "light": np.array(LOOKAHEAD_LIGHT, np.float32)[:, None],
        "shape": np.array([1, 3, height, width], np.int64),
        "point": np.array([1, 1, 1, 1], np.int64),
        "low": np.array(0, np.float32),
        "high": np.array(1, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["mel", "weight", "bias"], ["heard"]),
        helper.make_node("Reshape", ["heard", "shape"], ["drawn"]),
        helper.make_node("MatMul", ["lookahead", "light"], ["lit"]),
        helper.make_node("Reshape", ["lit", "point"], ["lit_point"]),
        helper.make_node("Add", ["drawn", "lit_point"], ["sum"]),
    ]
    inputs = [value("mel", (1, 1, 80, N_COLUMNS)), value("lookahead", (1, 4))]
    if has_face:
        nodes.append(helper.make_node("Add", ["sum", "face_0"], ["with_face"]))
        inputs.append(value("face_0", (1, 1, 1, 1)))
    nodes.append(helper.make_node("Clip", [nodes[-1].output[0], "low", "high"], ["patch"]))
    return model(nodes, inputs, [value("patch", (1, 3, height, width))], constants)


def face_graph() -> onnx.ModelProto:
    """The mean of the face."""
    node = helper.make_node("GlobalAveragePool", ["face"], ["means"])
    mean = helper.make_node("ReduceMean", ["means"], ["face_0"], axes=[1], keepdims=1)
    return model([node, mean], [value("face", (1, 6, SIZE_PX, SIZE_PX))], [value("face_0", (1, 1, 1, 1))], {})


def value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes, inputs, outputs, constants) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "student", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
