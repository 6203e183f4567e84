import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper, numpy_helper

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student import default_model, list_models, load, measuring, processor, ranking
from avatar_app.live.student.engine import EngineInfo
from avatar_app.live.student.engines import installed_engines
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.onnx_graph import is_whole
from tests.fakes.model_folder import (
    BOX,
    SIZE_PX,
    change_manifest,
    entry,
    expected_grey,
    student_graph,
    write_models,
)

CPU_ENGINES = ("openvino", "onnxruntime-cpu")


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path / "models", "a", "b")


def mel(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-4, 4, (80, 16)).astype(np.float32)


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("lookahead_ms", [0, 160])
def test_render_when_engine_is_named_then_it_runs_and_renders_the_window(models, engine, lookahead_ms):
    student = load("a", "fp32", engine, models_dir=models)
    for seed in range(3):
        pixels = student.draw(mel(seed), lookahead_ms)
        assert pixels.shape == (BOX[3], BOX[2], 3)
        assert pixels.dtype == np.uint8
        assert np.abs(pixels - 255 * expected_grey(mel(seed), lookahead_ms)).max() <= 1
    assert student.engine.engine == engine
    assert student.engine.arithmetic == "FP32"
    student.close()


def test_engine_when_opened_then_no_telemetry_is_loaded_and_no_thread_started():
    code = (
        "import sys, threading; from avatar_app.live.student.openvino_engine import import_openvino as f; f().Core();"
        "print(sys.modules.get('openvino_telemetry'), threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "1"]


def test_render_when_called_again_then_earlier_picture_is_untouched(models):
    student = load("a", models_dir=models)
    first = student.draw(mel(), 0)
    kept = first.copy()
    student.draw(mel(), 160)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_step_when_model_reads_the_face_then_patch_is_in_the_reference(tmp_path, engine):
    student = load("a", "fp32", engine, models_dir=write_models(tmp_path, "a", has_face=True))
    face = np.random.default_rng(1).uniform(0, 1, (1, 6, SIZE_PX, SIZE_PX)).astype(np.float32)
    picture = student.step(mel()[None, None], face, 40)
    x, y, w, h = BOX
    assert picture.shape == (1, 3, SIZE_PX, SIZE_PX)
    assert picture[0, :, y : y + h, x : x + w] == pytest.approx(expected_grey(mel(), 40, face.mean()), abs=1e-4)
    assert np.array_equal(picture[0, :, :y], face[0, 3:, :y])


def test_render_when_no_face_was_set_then_error(tmp_path):
    student = load("a", models_dir=write_models(tmp_path, "a", has_face=True))
    with pytest.raises(ModelError, match="No face was set"):
        student.draw(mel(), 0)


def test_set_face_when_size_is_wrong_then_error(models):
    with pytest.raises(ModelError, match="shape"):
        load("a", models_dir=models).set_face(np.zeros((1, 6, 8, 8), np.float32))


def test_load_when_no_model_is_named_then_default(models):
    assert default_model(models) == "a"
    assert load(models_dir=models).spec.id == "a"
    assert list_models(models) == ("a", "b")


def test_load_when_model_is_unknown_then_error_names_those_that_exist(models):
    with pytest.raises(ModelError, match="a, b"):
        load("zzz", models_dir=models)


def test_load_when_precision_has_no_graph_then_no_silent_fallback(models):
    with pytest.raises(ModelError, match="int8"):
        load("a", "int8", models_dir=models)


def test_load_when_engine_is_not_installed_then_no_silent_fallback(models):
    with pytest.raises(ModelError, match="onnxruntime-coreml"):
        load("a", engine="onnxruntime-coreml", models_dir=models)


@pytest.mark.parametrize("word", ["turbo", "fp8"])
def test_load_when_precision_or_engine_is_unknown_then_error(models, word):
    with pytest.raises(ModelError, match=word):
        load("a", word, models_dir=models)
    with pytest.raises(ModelError, match=word):
        load("a", "fp32", word, models_dir=models)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_load_when_graph_is_damaged_then_error_names_the_file(models, damage):
    path = models / "a" / "student-fp32.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:100] if damage == "cut" else content[:-1] + b"x")
    if damage == "missing":
        path.unlink()
    with pytest.raises(ModelError, match=r"student-fp32\.onnx"):
        load("a", "fp32", models_dir=models)


def test_load_when_file_is_not_a_graph_but_checksum_fits_then_model_error(models):
    import hashlib

    (models / "a" / "student-fp32.onnx").write_bytes(b"rubbish")
    change_manifest(
        models / "a",
        files={"fp32": {"file": "student-fp32.onnx", "sha256": hashlib.sha256(b"rubbish").hexdigest()}},
    )
    for engine in CPU_ENGINES:
        with pytest.raises(ModelError):
            load("a", "fp32", engine, models_dir=models)


@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_load_when_weights_are_in_other_files_then_refused_although_the_checksum_fits(models, engine, monkeypatch):
    graph = student_graph(has_face=False)
    external_data_helper.convert_model_to_external_data(graph, location="weights.bin", size_threshold=0)
    onnx.save(graph, models / "a" / "student-fp32.onnx")
    change_manifest(models / "a", files={"fp32": entry(models / "a", "student-fp32.onnx")})
    monkeypatch.chdir(models / "a")
    with pytest.raises(ModelError, match="separate files"):
        load("a", "fp32", engine, models_dir=models)


def external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    return tensor


def test_is_whole_when_a_tensor_at_any_depth_is_in_another_file_then_false():
    def graph_of(*nodes, **more):
        return helper.make_graph(nodes, "g", [], [], **more)

    def model_of(graph, **more):
        return helper.make_model(graph, **more).SerializeToString()

    tensor = external(numpy_helper.from_array(np.zeros(3, np.float32), "w"))
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    inner = helper.make_node("If", ["x"], ["y"], then_branch=graph_of(constant), else_branch=graph_of())
    sparse = onnx.SparseTensorProto(values=tensor)
    function = helper.make_function("d", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    assert is_whole(model_of(graph_of()))
    for hidden in (
        model_of(graph_of(initializer=[tensor])),
        model_of(graph_of(constant)),
        model_of(graph_of(inner)),
        model_of(graph_of(sparse_initializer=[sparse])),
        model_of(graph_of(), functions=[function]),
    ):
        assert not is_whole(hidden)


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize(
    "changes", [{"n_mel_columns": 20}, {"patch_box": [4, 8, 8, 8]}, {"lookahead_ms": [0, 40]}], ids=str
)
def test_load_when_graph_does_not_match_its_manifest_then_refused(models, engine, changes):
    change_manifest(models / "a", **changes)
    with pytest.raises(ModelError, match="does not match its manifest"):
        load("a", "fp32", engine, models_dir=models)


def test_load_when_mel_differs_then_refused(models):
    change_manifest(models / "a", mel_fingerprint="0123")
    with pytest.raises(ModelError, match="another mel spectrogram"):
        load("a", models_dir=models)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema": 1}', '{"schema": 1, "default": "x", "models": []}'])
def test_list_when_registry_is_invalid_then_error(models, text):
    path = models / "registry.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=r"registry\.json"):
        load("", models_dir=models)


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_load_when_manifest_is_invalid_then_error(models, text):
    path = models / "a" / "manifest.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError):
        load("a", models_dir=models)


@pytest.mark.parametrize(
    ("precision", "arithmetic", "label"),
    [
        (Precision.INT8, "INT8", "INT8"),
        (Precision.INT8, "INT8 + FP32", "INT8 (INT8 + FP32)"),
        (Precision.INT8, "FP32", "INT8, run as FP32 on this CPU"),
        (Precision.FP16, "BF16", "FP16, run as BF16 on this CPU"),
        (Precision.MIXED, "INT8 + BF16", "mixed (INT8 + BF16)"),
        (Precision.FP32, "FP32", "FP32"),
    ],
)
def test_label_when_engine_uses_another_precision_then_says_so(precision, arithmetic, label):
    assert EngineInfo("openvino", "CPU", precision, arithmetic).label == label


def test_ranking_when_measured_then_cached_and_used(models, tmp_path):
    cache = tmp_path / "cache"
    assert (
        measuring.main(["--model", "a", "--models-dir", str(models), "--cache-dir", str(cache), "--seconds", "0.05"])
        == 0
    )
    found = ranking.read(read_manifest(models / "a"), cache)
    assert {pair.engine for pair in found.pairs} == set(installed_engines())
    engine, precision = found.order()[0]
    student = load("a", models_dir=models, cache_dir=cache)
    assert (student.engine.engine, student.engine.precision) == (engine, precision)


def remember(models, cache, *pairs: ranking.Pair) -> None:
    ranking.write(read_manifest(models / "a"), cache, ranking.Ranking(pairs))


def test_load_when_ranking_prefers_an_engine_then_that_one(models, tmp_path):
    slow, fast = (
        ranking.Pair("openvino", "fp32", "FP32", 2.0, 2.5),
        ranking.Pair("onnxruntime-cpu", "fp32", "FP32", 1.0, 1.5),
    )
    remember(models, tmp_path, slow, fast)
    assert load("a", models_dir=models, cache_dir=tmp_path).engine.engine == "onnxruntime-cpu"
    assert load("a", engine="openvino", models_dir=models, cache_dir=tmp_path).engine.engine == "openvino"


def test_load_when_fastest_precision_loses_too_much_then_auto_does_not_choose_it(models, tmp_path):
    change_manifest(models / "a", quality={"loss_db": {"fp16": 0.9}})
    remember(
        models, tmp_path, ranking.Pair("openvino", "fp16", "BF16", 1.0), ranking.Pair("openvino", "fp32", "FP32", 2.0)
    )
    assert load("a", models_dir=models, cache_dir=tmp_path).engine.precision is Precision.FP32
    assert load("a", "fp16", models_dir=models, cache_dir=tmp_path).engine.precision is Precision.FP16


@pytest.mark.parametrize("change", [{"p50_ms": float("nan")}, {"p95_ms": "2"}, {"precision": "fp7"}, {"engine": 1}])
def test_pair_when_a_value_cannot_be_ranked_then_refused(change):
    with pytest.raises(ValueError, match=next(iter(change.values())) if "precision" in change else next(iter(change))):
        ranking.Pair(**{"engine": "openvino", "precision": "fp32", **change})


def test_ranking_when_pair_failed_then_not_in_the_order():
    found = ranking.Ranking(
        (ranking.Pair("openvino", "fp32", error="no"), ranking.Pair("onnxruntime-cpu", "fp32", "FP32", 1.0))
    )
    assert found.order() == [("onnxruntime-cpu", Precision.FP32)]


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"schema": 1, "key": "other", "pairs": []}'])
def test_ranking_when_file_is_damaged_or_of_another_machine_then_none(models, tmp_path, text):
    spec = read_manifest(models / "a")
    (tmp_path / "ranking-a.json").write_text(text)
    assert ranking.read(spec, tmp_path) is None


def test_ranking_when_instruction_set_is_limited_then_measured_again(models, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags : avx2 avx512bw avx512_vnni")
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    for name in processor.LIMITS:
        monkeypatch.delenv(name, raising=False)
    remember(models, tmp_path, ranking.Pair("openvino", "int8", "INT8", 1.0))
    assert ranking.read(read_manifest(models / "a"), tmp_path) is not None
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert ranking.read(read_manifest(models / "a"), tmp_path) is None


def test_ranking_when_model_changes_then_measured_again(models, tmp_path):
    remember(models, tmp_path, ranking.Pair("openvino", "fp32", "FP32", 1.0))
    files = json.loads((models / "a" / "manifest.json").read_text())["files"]
    change_manifest(models / "a", files={"fp32": {**files["fp32"], "sha256": "0" * 64}})
    assert ranking.read(read_manifest(models / "a"), tmp_path) is None


def test_start_measuring_when_child_ends_then_ranking_is_cached(models, tmp_path):
    child = measuring.start_measuring("a", tmp_path, models)
    _, errors = child.communicate()
    assert child.returncode == 0, errors
    assert ranking.read(read_manifest(models / "a"), tmp_path) is not None
