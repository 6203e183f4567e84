"""Networks unpacked from the shipped models generate the same pictures."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError, UserError  # noqa: E402
from avatar_app.contracts.student_spec import Precision  # noqa: E402
from avatar_app.live.student.folder import read_manifest  # noqa: E402
from avatar_app.live.student.loading import open_student  # noqa: E402
from avatar_app.settings.paths import models_dir  # noqa: E402
from avatar_app.studio.export.graphs import nova_96, nova_hd  # noqa: E402
from avatar_app.studio.publish import unpack  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.mark.parametrize("model", ["nova-hd", "nova-96"])
def test_unpack_when_a_model_is_shipped_then_its_networks_generate_the_same_pictures(model, tmp_path):
    assert unpack.main([model, "--run", str(tmp_path)]) == 0
    source = (
        nova_hd(tmp_path / "speech-encoder" / "best", tmp_path / "mouth-renderer" / "best")
        if model == "nova-hd"
        else nova_96(tmp_path / "student" / "best")
    )
    folder = models_dir() / model
    shipped = open_student(folder, read_manifest(folder), "onnxruntime-cpu", Precision.FP32)
    rng = np.random.default_rng(0)
    face = rng.random((1, 6, source.size_px, source.size_px), np.float32)
    box = source.box
    pictures = []
    for number, lookahead_ms in enumerate(source.lookahead_ms):
        mel = rng.uniform(-4, 4, (1, 1, 80, source.n_mel_columns)).astype(np.float32)
        whole = shipped.step(mel, face, lookahead_ms)
        with torch.no_grad():
            pictures.append(source.generate(torch.from_numpy(mel), torch.eye(4)[number][None], torch.from_numpy(face)))
        expected = whole[:, :, box.y : box.y + box.h, box.x : box.x + box.w]
        np.testing.assert_allclose(pictures[-1].numpy(), expected, atol=1e-4)
    assert (pictures[0] - pictures[3]).abs().max() > 1e-3


def test_unpack_when_the_networks_of_a_model_differ_then_one_sentence(tmp_path):
    folder = tmp_path / "models" / "nova-hd"
    shutil.copytree(models_dir() / "nova-hd", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["provenance"]["speech"]["shape"]["width"] = 100
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StudioError, match="networks of the model nova-hd cannot be unpacked"):
        unpack.main(["nova-hd", "--models-dir", str(tmp_path / "models"), "--run", str(tmp_path)])


def test_unpack_when_the_model_is_missing_then_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"nova-7.*cannot be used: it is missing"):
        unpack.main(["nova-7", "--run", str(tmp_path)])
