"""The teacher's three parts, one step each, and what is left for the student."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.data.clips import Pictures  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert, save_expert  # noqa: E402
from avatar_app.studio.nets.teacher import Teacher, load_teacher  # noqa: E402
from avatar_app.studio.nets.wav2lip import Wav2Lip  # noqa: E402
from avatar_app.studio.train import joint as speaking  # noqa: E402
from avatar_app.studio.train import teacher  # noqa: E402
from avatar_app.studio.train.generator_decoder import DrawConfig, DrawTask, draw_data  # noqa: E402
from avatar_app.studio.train.generator_encoder import HearConfig  # noqa: E402
from avatar_app.studio.train.loop import step_generator  # noqa: E402
from tests.studio.small_nets import make_wav2lip_small  # noqa: E402
from tests.studio.tiny_stage import tiny_stage  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def _pictures(n=24):
    rng = np.random.default_rng(0)
    params = np.tile(REST, (n, 1)).astype(np.float32)
    params[n // 2 :, 0] = rng.uniform(0, 1, n - n // 2)
    frames = np.full((n, 256, 256, 3), 120, np.uint8)
    for frame, opening in zip(frames, params[:, 0], strict=True):
        frame[190 : 190 + int(50 * opening), 90:170] = 20
    return Pictures(frames, params, np.arange(n) % 4 != 0, np.zeros(n, np.int64))


def test_main_when_each_part_took_a_step_then_the_folder_opens_as_wav2lip(data, tmp_path, monkeypatch):
    make_wav2lip_small(monkeypatch)
    monkeypatch.setattr(teacher, "load_pictures", lambda *_: _pictures())
    monkeypatch.setattr(teacher, "load_stage", lambda *_: tiny_stage())
    monkeypatch.setattr(speaking, "N_HELD_OUT_TAKES", 2)
    monkeypatch.setattr(teacher, "DRAW", DrawConfig(batch=2, is_face_trained=False))
    monkeypatch.setattr(teacher, "HEAR", HearConfig(pairs=2, pool_batches=1))
    save_expert(tmp_path / "expert", SyncExpert(), {"may_judge": True})
    arguments = ["--data", str(data), "--run", str(tmp_path / "t"), "--voices", str(tmp_path / "v"), "--n-threads", "1"]
    arguments += ["--picture", "p", "--expert", str(tmp_path / "expert"), "--n-takes", "1"]
    steps = [word for part in ("draw", "hear", "speak") for word in (f"--{part}-steps", "1")]
    # Two parts need no other, and are not done again.
    for part in ("draw", "hear"):
        assert teacher.main([*arguments, *steps, "--part", part]) == 0
        assert (tmp_path / "t" / part / "checkpoint.safetensors").exists()
    assert not (tmp_path / "t" / "best").exists()
    before = (tmp_path / "t" / "draw" / "metrics.jsonl").read_text()
    assert teacher.main([*arguments, *steps]) == 0
    assert (tmp_path / "t" / "draw" / "metrics.jsonl").read_text() == before
    whole, published = load_teacher(tmp_path / "t" / "best").wav2lip(), Wav2Lip()
    shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (whole, published)]
    assert shapes[0] == shapes[1]
    about = json.loads((tmp_path / "t" / "best" / "teacher.json").read_text())
    assert about["recipe"]["speak"]["pressures"]["sync"] == 0.01
    assert (tmp_path / "t" / "speak" / "samples").is_dir()


def test_drawing_when_the_face_encoder_is_settled_then_its_features_stay_in_bounds_and_it_does_not_learn():
    torch.manual_seed(0)
    net = Teacher()
    task = DrawTask(net, draw_data(_pictures()), DrawConfig(batch=2, peak_rate=5e-4, is_face_trained=False))
    before = {name: value.clone() for name, value in net.face_encoder_blocks.state_dict().items()}
    task.step(0, 10, step_generator(0, 0))
    assert all(torch.equal(value, before[name]) for name, value in net.face_encoder_blocks.state_dict().items())
    with torch.no_grad():
        features = net.encode_face(task._face(0))
    assert max(float(feature.mean()) for feature in features) < 3
