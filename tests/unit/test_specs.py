import numpy as np
import pytest

from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError, ModelError
from avatar_app.contracts.mel_spec import MEL, MelSpec
from avatar_app.contracts.mouth import PatchBox
from avatar_app.contracts.student_spec import Precision, StudentSpec

MANIFEST = {
    "schema": 1,
    "id": "m",
    "title": "M",
    "architecture": "nova-hd",
    "avatar_id": "nova",
    "size_px": 256,
    "n_mel_columns": 16,
    "mel_fingerprint": MEL.fingerprint(),
    "lookahead_ms": [0, 40],
    "patch_box": [1, 2, 3, 4],
    "files": {"fp32": {"file": "student.onnx", "sha256": "00"}},
    "golden_file": {"file": "golden.npz", "sha256": "00"},
    "licence": "Apache-2.0",
    "n_parameters": 3,
}
AVATAR = {
    "schema": 1,
    "id": "a",
    "title": "A",
    "licence": "Apache-2.0",
    "credit": "",
    "size_px": 512,
    "idle_fps": 25,
    "idle_files": ["0.jpg"],
    "alpha_files": ["0.png"],
    "crop_px": 256,
    "crop_to_portrait": np.eye(2, 3)[None].tolist(),
    "mask_file": "mask.png",
    "reference_file": "reference.png",
    "models": ["m"],
}


def test_fingerprint_when_one_constant_changes_then_differs():
    assert MelSpec().fingerprint() == MEL.fingerprint()
    assert MelSpec(fmin_hz=56.0).fingerprint() != MEL.fingerprint()


def test_mel_spec_when_default_then_80_columns_and_25_ms():
    assert MEL.columns_per_s == 80
    assert MEL.half_window_ms == 25.0


def test_manifest_when_complete_then_read():
    spec = StudentSpec.from_json(MANIFEST, "here")
    assert spec.box == PatchBox(1, 2, 3, 4)
    assert spec.files[Precision.FP32].name == "student.onnx"
    assert spec.face_file is None


@pytest.mark.parametrize(
    ("quality", "best_ms"),
    [
        ({}, 40),
        ({"held_out": {"precision": "mixed"}}, 40),
        ({"held_out": {"lookahead_0": {"opening_correlation": 0.8}, "lookahead_40": {"opening_correlation": 0.9}}}, 40),
        ({"held_out": {"lookahead_0": {"opening_correlation": 0.9}, "lookahead_40": {"opening_correlation": 0.8}}}, 0),
    ],
)
def test_manifest_when_look_aheads_were_measured_then_the_best_else_the_largest(quality, best_ms):
    assert StudentSpec.from_json({**MANIFEST, "quality": quality}, "here").best_lookahead_ms == best_ms


@pytest.mark.parametrize("field", ["id", "files", "mel_fingerprint", "golden_file", "patch_box"])
def test_manifest_when_field_is_missing_then_error_names_it(field):
    broken = {k: v for k, v in MANIFEST.items() if k != field}
    with pytest.raises(ModelError, match=field) as caught:
        StudentSpec.from_json(broken, "here")
    assert caught.value.what_to_do


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_mel_columns", 0), ("n_mel_columns", 2000), ("n_mel_columns", 16.5), ("n_mel_columns", True),
        ("size_px", 7), ("size_px", 30_000), ("size_px", 10**400), ("size_px", float("inf")), ("size_px", "256"),
        ("patch_box", [0, 0, 0, 0]), ("patch_box", [1, 2, 3]), ("patch_box", [-1, 0, 8, 8]),
        ("patch_box", [200, 0, 100, 8]), ("patch_box", [0, 0, float("nan"), 8]), ("patch_box", 4),
        ("lookahead_ms", []), ("lookahead_ms", [40, 40]), ("lookahead_ms", [-40]), ("lookahead_ms", [float("nan")]),
        ("lookahead_ms", list(range(100))), ("lookahead_ms", 40), ("id", "../../x"), ("id", ""), ("id", 3),
        ("title", "a\0b"), ("title", "a" * 5000), ("title", "\ud800"), ("n_parameters", -1), ("files", {}),
        ("files", {"fp32": {"file": "../x.onnx", "sha256": "00"}}), ("files", {"fp32": {"file": "/x", "sha256": "00"}}),
        ("golden_file", {"file": "C:\\x", "sha256": "00"}), ("quality", {"loss_db": 3}),
        ("quality", {"loss_db": {"fp16": "much"}}), ("provenance", []),
    ],
    ids=str,
)  # fmt: skip
def test_manifest_when_value_is_out_of_range_then_error_names_it(field, value):
    with pytest.raises(ModelError, match=r"cannot be used: [a-z]") as caught:
        StudentSpec.from_json({**MANIFEST, field: value}, "here")
    assert "Error" not in str(caught.value)


def test_spec_when_constructed_directly_then_ranges_are_checked_too():
    with pytest.raises(ValueError, match="w is 0"):
        PatchBox(0, 0, 0, 4)


@pytest.mark.parametrize(
    "change",
    [{"schema": 99}, {"files": {"fp7": {"file": "x", "sha256": ""}}}, {"size_px": "big"}, {"quality": {"held_out": 3}}],
)
def test_manifest_when_value_is_wrong_then_model_error(change):
    with pytest.raises(ModelError):
        StudentSpec.from_json({**MANIFEST, **change}, "here")


def test_avatar_when_complete_then_read():
    assert AvatarSpec.from_json(AVATAR, "here").crop_to_portrait.shape == (1, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"idle_files": []}, {"alpha_files": []}, {"crop_to_portrait": [[1.0]]},
        {"size_px": 30_000}, {"size_px": 0}, {"idle_fps": 0}, {"idle_fps": 1e9}, {"idle_fps": float("nan")},
        {"crop_px": 3}, {"idle_files": ["../0.jpg"]}, {"mask_file": "/etc/passwd"}, {"id": "a/b"}, {"models": [3]},
        {"crop_to_portrait": [[[float("nan"), 0, 0], [0, 1, 0]]]}, {"crop_to_portrait": [[[1e300, 0, 0], [0, 1, 0]]]},
        {"crop_to_portrait": [[[0, 0, 0], [0, 0, 0]]]}, {"crop_to_portrait": [[[1, 0, 1e6], [0, 1, 0]]]},
        {"crop_to_portrait": None}, {"crop_to_portrait": {"a": 1}}, {"crop_to_portrait": [["x"]]},
    ],
    ids=str,
)  # fmt: skip
def test_avatar_when_value_is_wrong_then_avatar_error(change):
    with pytest.raises(AvatarError):
        AvatarSpec.from_json({**AVATAR, **change}, "here")
