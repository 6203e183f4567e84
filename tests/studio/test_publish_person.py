"""A person's model, from the published networks and tiny clips: written to a user's folder, and opened from there."""

import json
import shutil

import numpy as np
import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.frame import Avatar
from avatar_app.live.student import default_model, find_model, list_models, load
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.metrics.person_scores import PersonTests
from avatar_app.studio.publish import gate, person
from avatar_app.studio.publish.person import PersonModel, publish_person
from avatar_app.studio.publish.unpack import unpack
from tests.studio.person_clips import person_clips

pytestmark = pytest.mark.studio

ABOUT = PersonModel("me-hd", "me", "Me", {"speech": {"recipe": {"n_steps": 5}}})
ENGINES = ("openvino", "onnxruntime-cpu")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("networks")
    unpack(find_model("nova-hd"), folder)
    return folder / "speech-encoder" / "best", folder / "mouth-renderer" / "best"


@pytest.fixture(scope="module")
def clips():
    return person_clips()


@pytest.fixture(scope="module")
def tests(clips):
    return PersonTests.of_clips(clips, Avatar.load("nova").reference, mouth_mask(256))


@pytest.fixture(scope="module")
def models(networks, clips, tests, tmp_path_factory):
    """The user's models folder with a published person."""
    folder = tmp_path_factory.mktemp("profile") / "models"
    assert publish_person(*networks, ABOUT, clips, tests, folder) == folder / "me-hd"
    return folder


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", list(Precision))
def test_person_model_when_opened_then_every_engine_and_precision_draws_the_golden_pictures(models, engine, precision):
    student = load("me-hd", precision, engine, user_dir=models)
    with np.load(models / "me-hd" / student.spec.golden_file.name) as golden:
        drawn = student.draw(golden["windows"][1], student.spec.lookahead_ms[golden["heads"][1]]).astype(float)
        true = golden["patches"][1].transpose(1, 2, 0).astype(float) * 255
    student.close()
    assert 10 * np.log10(255**2 / np.square(drawn - true).mean()) > gate.MIN_PSNR_DB[precision] - 5


def test_person_model_when_published_then_listed_but_never_the_default(models):
    assert list_models(user_dir=models)[-1] == "me-hd"
    assert default_model() != "me-hd"
    assert not (models / "registry.json").exists()


def test_manifest_when_published_then_names_the_avatar_the_licence_and_the_scores(models):
    manifest = json.loads((models / "me-hd" / "manifest.json").read_text())
    assert manifest["avatar_id"] == "me" and manifest["title"] == "Me"
    assert "person's permission" in manifest["licence"]
    assert manifest["provenance"]["speech"] == {"recipe": {"n_steps": 5}}
    assert manifest["provenance"]["sensitivity"]["swept_on"] == "nova-hd"
    assert set(manifest["quality"]["loss_db"]) == {p.value for p in Precision}
    scores = manifest["quality"]["held_out"]["lookahead_160"]
    assert {"mouth_psnr_db", "sharpness", "seam", "opening_correlation", "n_closings", "rest_motion"} <= set(scores)
    assert scores["rest_motion"] < 0.05
    text = (models / "me-hd" / "README.md").read_text()
    assert f"| 160 ms | {scores['mouth_psnr_db']:.1f} dB |" in text and "held-out sentences" in text


def test_precisions_when_an_engine_draws_one_badly_then_that_one_is_left_out(models, tmp_path, monkeypatch):
    monkeypatch.setitem(gate.MIN_PSNR_DB, Precision.INT8, 99.0)
    monkeypatch.setattr(person, "_engines", lambda: ("onnxruntime-cpu",))
    folder = shutil.copytree(models / "me-hd", tmp_path / "me-hd")
    manifest = json.loads((folder / "manifest.json").read_text())
    with np.load(folder / "golden.npz") as golden:
        found_db = person._checked_precisions(folder, manifest, gate.Golden(**golden))
    assert set(manifest["files"]) == {"fp32", "fp16", "mixed"} == {name.split()[1] for name in found_db}
    assert not (folder / "student-int8.onnx").exists()


def test_publish_when_fp32_differs_from_torch_then_an_error_and_the_older_model_stays(
    networks, clips, tests, tmp_path, monkeypatch
):
    (tmp_path / "me-hd").mkdir()
    (tmp_path / "me-hd" / "old").touch()
    monkeypatch.setitem(gate.MIN_PSNR_DB, Precision.FP32, 200.0)
    monkeypatch.setattr(person, "_engines", lambda: ("onnxruntime-cpu",))
    with pytest.raises(StudioError, match="fp32 with onnxruntime-cpu"):
        publish_person(*networks, ABOUT, clips, tests, tmp_path)
    assert [file.name for file in (tmp_path / "me-hd").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["me-hd"]


def test_publish_when_a_shipped_model_has_the_name_then_an_error_says_so(networks, clips, tests, tmp_path):
    taken = PersonModel("nova-hd", "me", "Me", {})
    with pytest.raises(StudioError, match="already has a model named 'nova-hd'"):
        publish_person(*networks, taken, clips, tests, tmp_path)


def test_publish_when_the_folder_cannot_be_written_then_an_error_says_so(networks, clips, tests, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudioError, match="cannot be written"):
        publish_person(*networks, ABOUT, clips, tests, tmp_path / "file")
