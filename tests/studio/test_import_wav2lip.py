"""Published checkpoints, here with random weights, imported as models of the live program."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app import cli  # noqa: E402
from avatar_app.contracts.clock import MonotonicClock  # noqa: E402
from avatar_app.contracts.errors import StudioError  # noqa: E402
from avatar_app.contracts.notices import NoticeBoard  # noqa: E402
from avatar_app.contracts.student_spec import Precision  # noqa: E402
from avatar_app.gui.panel.catalogue import model_options  # noqa: E402
from avatar_app.live.frame import Avatar  # noqa: E402
from avatar_app.live.pipeline import LivePipeline  # noqa: E402
from avatar_app.live.student import list_models, load  # noqa: E402
from avatar_app.live.student.folder import read_manifest  # noqa: E402
from avatar_app.render import drive_mouths  # noqa: E402
from avatar_app.settings.paths import ProfilePaths, models_dir  # noqa: E402
from avatar_app.settings.schema import Settings  # noqa: E402
from avatar_app.studio.nets import Student28x, Wav2Lip  # noqa: E402
from avatar_app.studio.publish.import_wav2lip import LICENCE, import_checkpoint, main, read_checkpoint  # noqa: E402
from tests.fakes.recording import wait_until  # noqa: E402

pytestmark = pytest.mark.studio


def lively(net: torch.nn.Module) -> torch.nn.Module:
    """Random weights whose output is not zero after thirty layers."""
    rng = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if value.ndim == 4:
            value.copy_(torch.randn(value.shape, generator=rng) * (1.3 / value[0].numel()) ** 0.5)
        elif name.endswith("running_var"):
            value.fill_(1.0)
    return net.eval()


@pytest.fixture(scope="module")
def student():
    return lively(Student28x())


@pytest.fixture(scope="module")
def profile(tmp_path_factory, student):
    """A profile whose models folder holds the imported 28x student."""
    root = tmp_path_factory.mktemp("profile")
    torch.save(student.state_dict(), root / "Nota Student.pth")
    assert main([str(root / "Nota Student.pth"), "--profile-dir", str(root)]) == 0
    return ProfilePaths(root)


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("net", [Student28x, Wav2Lip])
def test_read_checkpoint_when_in_any_published_form_then_identifies_the_network(tmp_path, net, prefix, is_wrapped):
    data = {prefix + name: value for name, value in net().state_dict().items()}
    torch.save({"state_dict": data, "global_epoch": 3} if is_wrapped else data, tmp_path / "w.pth")
    known, found = read_checkpoint(tmp_path / "w.pth")
    assert isinstance(found, net) and known.net is net and not found.training


def test_import_when_wav2lip_then_the_pictures_of_the_model_equal_those_of_torch(tmp_path):
    net = lively(Wav2Lip())
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "wav2lip_gan.pth")
    folder = import_checkpoint(tmp_path / "wav2lip_gan.pth", tmp_path / "models")
    spec = read_manifest(folder)
    assert (spec.id, spec.n_parameters, spec.lookahead_ms) == ("wav2lip-gan", 36_298_035, (160,))
    face = Avatar.load("nova").face_input(96)
    mel = np.random.default_rng(1).uniform(-4, 4, (1, 1, 80, 16)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(mel), torch.from_numpy(face))[:, :, 48:].numpy()
    for engine in ("openvino", "onnxruntime-cpu"):
        opened = load(spec.id, "fp32", engine, user_dir=tmp_path / "models")
        picture = opened.step(mel, face)
        opened.close()
        assert np.abs(picture[:, :, 48:] - expected).max() < 1e-4
        assert np.array_equal(picture[:, :, :48], face[:, 3:, :48])
    assert expected.std() > 0.01


def test_import_when_done_then_marked_non_commercial_everywhere(profile):
    folder = profile.models_dir / "nota-student"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["licence"] == LICENCE and "non-commercial" in manifest["title"]
    assert "forbid commercial use" in (folder / "README.md").read_text()
    for file in folder.glob("*.onnx"):
        about = {p.key: p.value for p in onnx.load(file).metadata_props}
        assert about["licence"] == LICENCE and "non-commercial" in about["title"], file.name


def test_import_when_done_then_not_the_default_and_found_by_name(profile):
    assert list_models(None, profile.models_dir)[-1] == "nota-student"
    assert list_models(None, profile.models_dir)[0] == list_models()[0]
    assert "nota-student" not in list_models()
    assert load("", user_dir=profile.models_dir).spec.licence == "Apache-2.0"


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_live_path_when_the_model_has_one_lookahead_then_it_is_used(profile, precision):
    opened = load("nota-student", precision, "openvino", user_dir=profile.models_dir)
    opened.set_face(Avatar.load("nova").face_input(96))
    t = np.arange(32_000) / 16_000
    voice = (0.3 * np.sign(np.sin(2 * np.pi * 120 * t)) * (np.sin(2 * np.pi * 4 * t) > 0)).astype(np.float32)
    patches = [mouth.patch for mouth in drive_mouths([voice], opened, 25, 40)]
    drawn = [patch.pixels for patch in patches if patch is not None]
    assert len(drawn) > 10 and drawn[0].shape == (48, 96, 3)
    assert np.ptp(np.stack(drawn).astype(int), axis=0).max() > 0


def test_pipeline_when_the_imported_model_is_named_then_it_runs_and_reports_its_lookahead(profile):
    notices = NoticeBoard()
    settings = Settings(mic="demo", model="nota-student", precision="fp32", engine="openvino", lookahead_ms=40)
    pipeline = LivePipeline(settings, profile, MonotonicClock(), notices)
    pipeline.start()
    try:
        wait_until(lambda: pipeline.status().t_first_mouth_ns is not None)
        status = pipeline.status()
        said = [notice.text for notice in notices.current()]
        pipeline.apply(settings.replace(lookahead_ms=160))
        said_then = [notice.text for notice in notices.current()]
    finally:
        pipeline.close()
    assert (status.model, status.lookahead_ms) == ("nota-student", 160)
    assert any("it uses 160 ms, not 40 ms" in text for text in said)
    assert not any("ahead" in text for text in said_then)


def test_window_when_it_lists_models_then_the_imported_one_is_last_with_its_licence(profile):
    last = model_options(models_dir(), "nova", profile.models_dir)[-1]
    assert last.value == "nota-student" and LICENCE in last.tip


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_import_when_the_file_is_wrong_then_one_sentence_exit_2_and_nothing_left(tmp_path, capsys, content):
    (tmp_path / "wrong.pth").write_bytes(content)
    assert cli.main(["studio", "import-wav2lip", str(tmp_path / "wrong.pth"), "--out", str(tmp_path / "models")]) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said and said.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_import_when_it_is_another_network_then_names_the_accepted_files(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(StudioError, match="neither Wav2Lip nor its 28x student") as caught:
        read_checkpoint(tmp_path / "linear.pth")
    assert "wav2lip_gan.pth" in str(caught.value)


class Code:
    """A pickle that runs code when loaded with `weights_only=False`."""

    def __reduce__(self):
        return (print, ("ran",))


def test_import_when_the_pickle_holds_code_then_it_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": Code()}, tmp_path / "evil.pth")
    with pytest.raises(StudioError, match="holds code besides weights") as caught:
        main([str(tmp_path / "evil.pth"), "--out", str(tmp_path)])
    assert "ran" not in capsys.readouterr().out
    assert "weights_only" not in str(caught.value)


def test_import_when_the_name_is_a_shipped_models_then_refused(tmp_path, student):
    torch.save(student.state_dict(), tmp_path / "nova-96.pth")
    with pytest.raises(StudioError, match="already has a model named 'nova-96'"):
        import_checkpoint(tmp_path / "nova-96.pth", tmp_path / "models")


def test_import_when_the_picture_of_an_engine_differs_then_no_folder(tmp_path, student, monkeypatch):
    torch.save(student.state_dict(), tmp_path / "s.pth")
    monkeypatch.setattr("avatar_app.studio.publish.gate.MIN_PSNR_DB", dict.fromkeys(Precision, 500.0))
    with pytest.raises(StudioError, match="dB"):
        import_checkpoint(tmp_path / "s.pth", tmp_path / "models")
    assert not list((tmp_path / "models").iterdir())
