"""Export, quantization and publishing of tiny networks, up to a model folder that the live path opens."""

import json
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
import soundfile
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.loading import open_student
from avatar_app.studio.data.speech_corpus import librispeech_recordings
from avatar_app.studio.export import qdq, quantize, sensitivity
from avatar_app.studio.export.calibration import WINDOWS_PER_VOICE, calibration_feeds, feed, training_voices
from avatar_app.studio.export.graphs import export_student, nova_hd
from avatar_app.studio.export.running import psnr_db, run_all
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, MouthRendererShape, save_mouth_renderer
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, SpeechEncoderShape, save_speech_encoder
from avatar_app.studio.provenance import commit_id
from avatar_app.studio.publish import gate, package
from avatar_app.studio.publish.card import card

pytestmark = pytest.mark.studio


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    speech = SpeechEncoder(SpeechEncoderShape(width=16, dilations=(1, 1), front_widths=(4, 4, 4))).eval()
    picture = MouthRenderer(MouthRendererShape(n_hidden=16, n_code=8, widths=(16, 16, 16, 16)))
    picture.base.data += 0.5
    save_speech_encoder(folder, speech, {})
    save_mouth_renderer(folder, picture, {})
    return nova_hd(folder, folder)


@pytest.fixture(scope="module")
def feeds(source):
    rng = np.random.default_rng(0)
    windows = rng.uniform(-4, 4, (12, 80, source.n_mel_columns)).astype(np.float32)
    return [feed(window, k % 4, {}) for k, window in enumerate(windows)]


@pytest.fixture(scope="module")
def exact(source):
    return quantize.prepared(export_student(source))


def test_calibration_feeds_when_a_voice_is_no_longer_than_a_window_then_skipped(source, data):
    folder = data / "speech" / "librispeech"
    voices = [recording for recording in librispeech_recordings(folder) if recording.split == "train"]
    n_samples = (source.n_mel_columns - 1) * MEL.hop_samples
    soundfile.write(voices[0].file, np.full(n_samples, 0.1), MEL.rate_hz)
    rng = np.random.default_rng(0)
    found = calibration_feeds(source, training_voices(data, rng), None, rng)
    assert len(found) == 1 + WINDOWS_PER_VOICE * (len(voices) - 1)
    assert {each["mel"].shape for each in found} == {(1, 1, 80, source.n_mel_columns)}


def test_export_when_run_then_its_pictures_equal_those_of_torch(source, exact, feeds):
    generated = run_all(exact, feeds)
    with torch.no_grad():
        expected = np.concatenate([source.float_graph(*map(torch.from_numpy, f.values())).numpy() for f in feeds])
    assert np.abs(generated - expected).max() < 1e-4


@pytest.fixture(scope="module")
def calibration(exact, feeds):
    return qdq.calibrate(exact, feeds)


@pytest.mark.parametrize(("make", "least_db"), [
    (lambda model, calibration, nodes: quantize.to_fp16(model), 55),
    (qdq.to_int8, 35),
])  # fmt: skip
def test_quantized_when_run_then_nearly_the_same_picture(exact, feeds, calibration, make, least_db):
    nodes = quantize.candidates(exact, ())
    few = make(exact, calibration, nodes)
    assert psnr_db(run_all(few, feeds), run_all(exact, feeds)) > least_db
    assert len(few.SerializeToString()) < len(exact.SerializeToString())


def test_candidates_when_a_part_stays_float_then_not_among_them(exact):
    names = quantize.candidates(exact, ("/speech/",))
    assert names and not any(name.startswith("/speech/") for name in names)


@pytest.fixture(scope="module")
def swept(exact, calibration, feeds):
    """The sweep over the layers of the mouth renderer, and its progress lines."""
    reported = []
    nodes = quantize.candidates(exact, ("/speech/",))
    return sensitivity.sweep(exact, calibration, feeds, nodes, reported.append), reported


def test_sweep_when_done_then_most_harmful_first_and_each_alone_is_better_than_all(swept):
    found, reported = swept
    assert len(reported) == len(found.layers)
    assert [d.alone_db for d in found.layers] == sorted(d.alone_db for d in found.layers)
    assert min(d.alone_db for d in found.layers) > found.all_db
    # Float in the most harmful layer helps more than float in the least harmful one.
    assert found.layers[0].without_db > found.layers[-1].without_db


def test_mixed_when_the_budget_is_tight_then_the_most_harmful_stay_float(exact, calibration, feeds, swept, monkeypatch):
    found, _ = swept
    monkeypatch.setattr(sensitivity, "MIN_MULTIPLY_ADDS", 0)
    monkeypatch.setattr(sensitivity, "MIXED_PSNR_DB", found.layers[0].without_db - 0.1)
    mixed = sensitivity.to_mixed(exact, calibration, feeds, found.layers)
    assert mixed.too_harmful == (found.layers[0].node,)
    assert mixed.psnr_db >= sensitivity.MIXED_PSNR_DB
    monkeypatch.setattr(sensitivity, "MIXED_PSNR_DB", found.all_db - 0.1)
    assert sensitivity.to_mixed(exact, calibration, feeds, found.layers).too_harmful == ()


def test_mixed_when_layers_are_small_then_they_stay_float_until_the_first_large_one(
    exact, calibration, feeds, swept, monkeypatch
):
    found, _ = swept
    nodes = quantize.candidates(exact, ("/speech/",))
    work = quantize.multiply_adds(exact)
    largest = max(nodes, key=work.__getitem__)
    monkeypatch.setattr(sensitivity, "MIXED_PSNR_DB", 0.0)
    monkeypatch.setattr(sensitivity, "MIN_MULTIPLY_ADDS", work[largest])
    mixed = sensitivity.to_mixed(exact, calibration, feeds, found.layers)
    assert list(mixed.too_small) == nodes[: nodes.index(largest)]
    assert nodes[-1] != largest


def test_mixed_when_layers_stay_float_by_choice_then_the_manifest_names_them(exact, calibration, feeds, swept):
    found, _ = swept
    chosen = found.layers[-1].node
    mixed = sensitivity.to_mixed(exact, calibration, feeds, found.layers, [chosen])
    assert sensitivity.facts(found, mixed)["float_in_mixed"]["by_choice"] == [chosen]
    assert chosen in mixed.stays_float


def test_layers_when_read_from_a_manifest_then_the_most_harmful_first(exact, calibration, feeds, swept):
    found, _ = swept
    facts = sensitivity.facts(found, sensitivity.to_mixed(exact, calibration, feeds, found.layers))
    backwards = {"psnr_db": dict(reversed(facts["psnr_db"].items()))}
    layers = sensitivity.published_layers(backwards)
    assert [layer.alone_db for layer in layers] == [round(layer.alone_db, 1) for layer in found.layers]
    assert {layer.node for layer in layers} == {layer.node for layer in found.layers}


def test_graphs_when_the_layers_are_known_then_no_sweep_and_for_another_architecture_a_sweep(
    source, exact, feeds, tmp_path, monkeypatch
):
    def sweep(*_):
        raise StudioError("swept", "")

    monkeypatch.setattr(sensitivity, "sweep", sweep)
    layers = [sensitivity.LayerSensitivity(node, 60.0, 50.0) for node in quantize.candidates(exact, ())]
    facts = package.write_graphs(source, feeds, tmp_path, {}, layers=layers)
    assert set(facts["psnr_db"]) == {layer.node for layer in layers} and facts["all_psnr_db"] > 30
    with pytest.raises(StudioError, match="swept"):
        package.write_graphs(source, feeds, tmp_path, {}, layers=layers[1:])


def test_chart_when_drawn_then_two_bars_for_each_layer(exact, calibration, feeds, swept):
    found, _ = swept
    mixed = sensitivity.to_mixed(exact, calibration, feeds, found.layers)
    picture = ElementTree.fromstring(sensitivity.chart(sensitivity.facts(found, mixed)))  # noqa: S314  our own
    bars = [part for part in picture.iter() if part.tag.endswith("rect")]
    assert len(bars) == 2 * len(found.layers)


def test_half_weights_when_stored_then_smaller_and_same_picture(exact, feeds):
    import copy

    half = quantize.with_half_weights(copy.deepcopy(exact))
    assert len(half.SerializeToString()) < 0.7 * len(exact.SerializeToString())
    assert psnr_db(run_all(half, feeds), run_all(exact, feeds)) > 55


@pytest.fixture
def folder(tmp_path, source, exact, feeds, calibration):
    """A model folder with all precisions and its golden pictures."""
    nodes = quantize.candidates(exact, ())
    int8 = qdq.to_int8(exact, calibration, nodes)
    graphs = {"fp32": exact, "fp16": quantize.to_fp16(exact), "int8": int8, "mixed": int8}
    for name, graph in graphs.items():
        package.save_graph(source, graph, tmp_path / f"student-{name}.onnx", {})
    golden = gate.make_golden(source, [f["mel"][0, 0] for f in feeds[:4]], None)
    golden.save(tmp_path / "golden.npz")
    package.save_manifest(tmp_path, package.manifest_of(source, tmp_path, {"note": "test"}))
    return tmp_path, golden


def test_manifest_when_written_then_live_path_opens_every_precision(folder):
    path, golden = folder
    spec = read_manifest(path)
    for precision in Precision:
        student = open_student(path, spec, "openvino", precision)
        assert student.draw(golden.windows[0], 0).shape == (spec.box.h, spec.box.w, 3)
        student.close()


def test_gate_when_golden_pictures_differ_then_names_engine_and_precision(folder):
    path, golden = folder
    found_db = gate.check_golden(path, read_manifest(path), golden)
    assert len(found_db) == 8
    wrong = gate.Golden(golden.windows, golden.heads, 1 - golden.patches, golden.face)
    with pytest.raises(StudioError, match="fp32 with openvino"):
        gate.check_golden(path, read_manifest(path), wrong)


def test_gate_when_mixed_loses_too_much_then_refused():
    gate.check_budget({"mixed": 0.3})
    with pytest.raises(StudioError, match=r"0\.31 dB"):
        gate.check_budget({"mixed": 0.31})


def test_gate_when_the_speedup_is_too_low_then_refused():
    times = {f"{engine} {p.value}": 1.0 for engine in gate.ENGINES for p in Precision}
    times |= {f"{engine} fp32": 2.0 for engine in gate.ENGINES}
    assert gate.check_speed({**times, "openvino int8": 0.8, "openvino mixed": 3.0})["openvino"] == 2.5
    with pytest.raises(StudioError, match=r"mixed is only 1\.67 times as fast as FP32 in openvino"):
        gate.check_speed({**times, "openvino int8": 1.3, "openvino mixed": 1.2})


def test_register_when_called_then_first_is_default_until_another_is_named(tmp_path):
    package.register("a", tmp_path)
    package.register("b", tmp_path)
    assert json.loads((tmp_path / "registry.json").read_text()) == {"schema": 1, "models": ["a", "b"], "default": "a"}
    package.register("b", tmp_path, default="b")
    assert json.loads((tmp_path / "registry.json").read_text())["default"] == "b"


def test_card_when_written_then_every_number_is_from_the_manifest(folder):
    path, _ = folder
    manifest = json.loads((path / "manifest.json").read_text())
    scores = {
        "mouth_psnr_db": 31.2, "mouth_ssim": 0.912, "opening_correlation": 0.93, "voices_correlation": 0.87,
        "noise_motion_ratio": 0.005,
    }  # fmt: skip
    times = {f"{engine} int8": 1.23 for engine in gate.ENGINES}
    manifest["quality"] = {
        "held_out": {"lookahead_40": scores},
        "loss_db": {"int8": 0.14},
        "step_ms": {"machine": "m", **times},
        "speedup": {"openvino": 1.92},
    }
    text = card(manifest)
    assert "trtexec" not in text
    assert "trtexec" in card({**manifest, "tensorrt_file": {"file": "student-tensorrt.onnx"}})
    assert "1.9x in openvino" in text
    assert "| 40 ms | 31.2 dB | 0.912 | 0.93 | 0.87 | 0.5 % |" in text
    assert "| INT8 | +0.14 dB | 1.23 ms | 1.23 ms |" in text


def test_config_hash_when_a_recipe_changes_then_it_changes_and_else_not():
    facts = {"speech": {"recipe": {"n_steps": 5}, "test": {"opening_160": 0.9}}, "sensitivity": {"a": 1}}
    same = {"speech": {"recipe": {"n_steps": 5}, "test": {"opening_160": 0.8}}, "sensitivity": {"a": 1}}
    other = {"speech": {"recipe": {"n_steps": 6}}, "sensitivity": {"a": 1}}
    assert package.config_hash(facts) == package.config_hash(same) != package.config_hash(other)


def test_save_graph_when_opened_again_then_has_licence_data_and_recipe(source, exact, tmp_path):
    facts = {"nova96": {"recipe": {"n_steps": 5}}}
    package.save_graph(source, exact, tmp_path / "s.onnx", facts)
    about = {p.key: p.value for p in onnx.load(tmp_path / "s.onnx").metadata_props}
    assert about["licence"] == "Apache-2.0" and "LibriSpeech" in about["trained_on"]
    assert about["config_hash"] == package.config_hash(facts)
    assert about["commit"] == commit_id()


def test_publish_when_killed_between_its_two_renames_then_the_next_run_restores_the_model(
    source, tmp_path, monkeypatch
):
    (tmp_path / f"{source.id}.replaced").mkdir()

    def fail(*_):
        raise StudioError("no voices", "add some")

    monkeypatch.setattr(package, "calibration_feeds", fail)
    with pytest.raises(StudioError, match="no voices"):
        package.publish(source, tmp_path, None, None, tmp_path, {})
    assert (tmp_path / source.id).exists()
