"""The 28x student in INT8: close to its FP32 on held-out sound, and executed in INT8 by both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.student_spec import Precision  # noqa: E402
from avatar_app.live.frame import Avatar  # noqa: E402
from avatar_app.live.mel import melspectrogram  # noqa: E402
from avatar_app.live.mic.audio_file import read_audio  # noqa: E402
from avatar_app.live.student import load  # noqa: E402
from avatar_app.live.student.folder import read_manifest  # noqa: E402
from avatar_app.live.student.openvino_engine import _options, import_openvino  # noqa: E402
from avatar_app.live.student.registry import find_model  # noqa: E402
from avatar_app.settings.paths import demo_sample, models_dir  # noqa: E402
from avatar_app.studio.export import graphs, qdq, quantize  # noqa: E402
from avatar_app.studio.export.calibration import feed  # noqa: E402
from avatar_app.studio.export.running import psnr_db, run_all  # noqa: E402
from avatar_app.studio.nets import Nova96  # noqa: E402
from avatar_app.studio.nets.folded import MAP_NAMES, TILE_NAMES  # noqa: E402

pytestmark = pytest.mark.studio

# Five upsampling convolutions, one after the last concatenation, one for the colours.
N_DECODER_CONVS = 7
ENGINES = ("openvino", "onnxruntime-cpu")


@pytest.fixture(scope="module")
def source():
    """An untrained student of full size."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = Nova96().eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    return graphs.nova_96_of(net)


@pytest.fixture(scope="module")
def feeds(source):
    rng = np.random.default_rng(0)
    face = rng.uniform(0, 1, (1, 6, 96, 96)).astype(np.float32)
    features = graphs.features_of(source, face)
    windows = rng.uniform(-4, 4, (12, 80, 16)).astype(np.float32)
    return [feed(window, k % 4, features) for k, window in enumerate(windows)]


@pytest.fixture(scope="module")
def packed(source):
    return quantize.prepared(graphs.export_packed(source))


@pytest.fixture(scope="module")
def int8(packed, feeds):
    return qdq.to_int8(packed, qdq.calibrate(packed, feeds), quantize.candidates(packed, ()))


@pytest.mark.parametrize("export", [graphs.export_student, graphs.export_packed])
def test_graph_when_exported_then_its_pictures_equal_those_of_the_network(source, feeds, export):
    model = quantize.prepared(export(source))
    face = np.random.default_rng(0).uniform(0, 1, (1, 6, 96, 96)).astype(np.float32)
    with torch.no_grad():
        expected = [source.generate(*map(torch.from_numpy, (f["mel"], f["lookahead"], face))).numpy() for f in feeds]
    np.testing.assert_allclose(run_all(model, feeds), np.concatenate(expected), atol=1e-5, rtol=0)
    assert not any(node.op_type in ("Pad", "Concat", "BatchNormalization") for node in model.graph.node)


def test_int8_when_its_inputs_are_8_bit_then_the_same_picture(source, feeds, int8):
    with_bytes, scales = qdq.with_8bit_inputs(int8)
    assert set(scales) == set(TILE_NAMES)
    wanted = {port.name for port in with_bytes.graph.input}
    face = qdq.with_8bit_outputs(graphs.export_face(source), {*wanted, *MAP_NAMES}, scales)
    assert {port.name for port in face.graph.output} == {*MAP_NAMES, *(f"{name}_u8" for name in TILE_NAMES)}
    shown = np.random.default_rng(0).uniform(0, 1, (1, 6, 96, 96)).astype(np.float32)
    session = ort.InferenceSession(face.SerializeToString(), providers=["CPUExecutionProvider"])
    features = dict(zip([port.name for port in session.get_outputs()], session.run(None, {"face": shown}), strict=True))
    np.testing.assert_allclose(
        run_all(with_bytes, [f | features for f in feeds]), run_all(int8, feeds), atol=2 / 255, rtol=0
    )


def test_int8_when_symmetric_then_zero_points_are_zero_and_biases_float(packed, feeds):
    nodes = quantize.candidates(packed, ("/hear/",))
    model = qdq.to_int8(packed, qdq.calibrate(packed, feeds), nodes, is_symmetric=True)
    constants = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = [constants[node.input[2]] for node in pairs]
    assert len(zeros) > 2 * len(nodes)
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    assert psnr_db(run_all(model, feeds), run_all(packed, feeds)) > 25


@pytest.fixture(scope="module")
def held_out_windows():
    """Mel windows of the built-in sample, which is in no training or calibration set."""
    mel = melspectrogram(read_audio(demo_sample()))
    return [mel[:, start : start + 16] for start in range(0, mel.shape[1] - 16, mel.shape[1] // 40)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("precision", "least_db"), [("mixed", 40), ("int8", 38)])
def test_shipped_student_when_quantized_then_close_to_its_fp32_on_held_out_sound(
    held_out_windows, engine, precision, least_db
):
    exact, few = (_opened(name, engine) for name in ("fp32", precision))
    pictures = [[student.draw(w, 80).astype(np.float32) / 255 for w in held_out_windows] for student in (exact, few)]
    a, b = map(np.stack, pictures)
    # The pictures vary with the sound; a constant picture would not pass.
    assert a.std(axis=0).max() > 0.05
    assert psnr_db(a, b) > least_db
    exact.close()
    few.close()


@pytest.mark.parametrize("model", ["nova-hd", "nova-96"])
def test_shipped_mixed_when_loaded_then_its_float_layers_are_those_of_the_manifest(model):
    folder = models_dir() / model
    sensitivity = read_manifest(folder).provenance["sensitivity"]
    graph = onnx.load(folder / "student-mixed.onnx").graph
    maker = {name: node.op_type for node in graph.node for name in node.output}
    in_int8 = {node.name for node in graph.node if maker.get(node.input[0]) == "DequantizeLinear"}
    stays_float = {node for nodes in sensitivity["float_in_mixed"].values() for node in nodes}
    assert set(sensitivity["psnr_db"]) - in_int8 == stays_float


@pytest.mark.parametrize("precision", ["mixed", "int8"])
def test_shipped_student_when_in_onnxruntime_then_its_decoder_runs_in_int8(tmp_path, precision):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "executed.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(_graph(precision), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "executed.onnx").graph.node
    convs = [node for node in nodes if "Conv" in node.op_type]
    in_int8 = [node for node in convs if node.op_type == "QLinearConv"]
    assert len(in_int8) == (N_DECODER_CONVS if precision == "mixed" else len(convs))
    assert all(node.domain == "com.microsoft.nchwc" for node in convs if node not in in_int8)
    # No conversion to float between two layers of the decoder.
    assert sum(node.op_type == "QLinearAdd" for node in nodes) >= N_DECODER_CONVS - 1


@pytest.mark.parametrize("precision", ["mixed", "int8"])
def test_shipped_student_when_in_openvino_then_its_decoder_runs_in_int8(precision):
    core = import_openvino().Core()
    # The options of the program; by default OpenVINO requests bf16 even if oneDNN cannot use it.
    compiled = core.compile_model(_graph(precision), "CPU", _options(core, Precision(precision), 1))
    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    convs = [layer for layer in layers if "Conv" in _fact(layer, "layerType")]
    decoder = [layer for layer in convs if "/hear/" not in _fact(layer, "originalLayersNames")]
    assert len(decoder) == N_DECODER_CONVS
    assert {_fact(layer, "runtimePrecision").lower() for layer in decoder} <= {"u8", "i8"}


def _fact(layer, key: str) -> str:
    """A property of an executed layer; some are wrapped."""
    return str(getattr(layer[key], "value", layer[key]))


def _graph(precision: str) -> Path:
    return find_model("nova-96") / f"student-{precision}.onnx"


def _opened(precision: str, engine: str):
    student = load("nova-96", precision, engine)
    student.set_face(Avatar.load("nova").face_input(student.spec.size_px))
    return student
