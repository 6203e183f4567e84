"""Every registered model in every precision and engine, against the pictures that were published with it."""

import numpy as np
import pytest

from avatar_app.contracts.student_spec import Precision
from avatar_app.live.frame import Avatar
from avatar_app.live.student import list_models, load
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.registry import find_model

ENGINES = ("openvino", "onnxruntime-cpu")
# FP32 is exact but for the rounding of a picture to 8 bits, which is 59 dB.
MIN_PSNR_DB = {Precision.FP32: 55.0, Precision.FP16: 48.0, Precision.MIXED: 42.0, Precision.INT8: 30.0}


@pytest.mark.parametrize("model_id", list_models())
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", list(Precision))
def test_model_when_inputs_are_golden_then_pictures_are_golden(model_id, engine, precision):
    student = load(model_id, precision, engine)
    with np.load(find_model(model_id) / student.spec.golden_file.name) as golden:
        windows, heads, patches, face = (golden[name] for name in ("windows", "heads", "patches", "face"))
    if face.size:
        student.set_face(face)
    psnr_db = []
    for window, head, patch in zip(windows, heads, patches, strict=True):
        drawn = student.draw(window, student.spec.lookahead_ms[head]).astype(float)
        true = patch.transpose(1, 2, 0).astype(float) * 255
        psnr_db.append(10 * np.log10(255**2 / np.square(drawn - true).mean()))
    student.close()
    assert np.mean(psnr_db) > MIN_PSNR_DB[precision]


@pytest.mark.parametrize("model_id", list_models())
def test_model_when_precision_is_int8_then_engine_computes_in_int8(model_id):
    for engine in ENGINES:
        student = load(model_id, "int8", engine)
        assert "INT8" in student.engine.arithmetic, engine
        student.close()


@pytest.mark.parametrize("model_id", list_models())
def test_model_when_published_then_its_avatar_exists_and_its_loss_is_within_the_budget(model_id):
    spec = read_manifest(find_model(model_id))
    assert model_id in Avatar.load(spec.avatar_id).spec.models
    assert spec.quality["loss_db"]["mixed"] <= 0.3
    assert spec.licence == "Apache-2.0"
    assert set(spec.files) == set(Precision)
