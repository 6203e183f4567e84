"""Training of the teacher: one step of each of its three parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio import renamed  # noqa: E402
from avatar_app.studio.data.clips import Pictures  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert, save_expert  # noqa: E402
from avatar_app.studio.nets.teacher import Teacher, load_teacher  # noqa: E402
from avatar_app.studio.nets.tensor_file import load_tensors, save_tensors  # noqa: E402
from avatar_app.studio.nets.wav2lip import Wav2Lip  # noqa: E402
from avatar_app.studio.train import joint, teacher  # noqa: E402
from avatar_app.studio.train.generator_decoder import DecoderConfig, DecoderTask, decoder_data  # noqa: E402
from avatar_app.studio.train.generator_encoder import EncoderConfig  # noqa: E402
from avatar_app.studio.train.loop import step_generator  # noqa: E402
from tests.studio.small_nets import make_wav2lip_small  # noqa: E402
from tests.studio.tiny_dataset import tiny_dataset  # noqa: E402

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


@pytest.fixture
def run_teacher(data, tmp_path, monkeypatch):
    """Runs the command in `t` with narrow networks and a synthetic dataset."""
    make_wav2lip_small(monkeypatch)
    monkeypatch.setattr(teacher, "load_pictures", lambda *_: _pictures())
    monkeypatch.setattr(teacher, "load_dataset", lambda *_: tiny_dataset())
    monkeypatch.setattr(joint, "N_HELD_OUT_CLIPS", 2)
    monkeypatch.setattr(teacher, "DECODER", DecoderConfig(batch=2, is_face_trained=False))
    monkeypatch.setattr(teacher, "ENCODER", EncoderConfig(pairs=2, pool_batches=1))
    save_expert(tmp_path / "expert", SyncExpert(), {"is_reliable": True})
    arguments = ["--data", str(data), "--run", str(tmp_path / "t"), "--voices", str(tmp_path / "v"), "--n-threads", "1"]
    arguments += ["--mouth-renderer", "p", "--expert", str(tmp_path / "expert"), "--n-clips", "1"]
    return lambda *more: teacher.main([*arguments, *more])


def test_main_when_each_part_took_a_step_then_the_folder_loads_as_wav2lip(run_teacher, tmp_path):
    steps = [word for part in ("decoder", "encoder", "joint") for word in (f"--{part}-steps", "1")]
    # The first two parts can be trained alone, and are not repeated.
    for part in ("decoder", "encoder"):
        assert run_teacher(*steps, "--part", part) == 0
        assert (tmp_path / "t" / part / "checkpoint.safetensors").exists()
    assert not (tmp_path / "t" / "best").exists()
    before = (tmp_path / "t" / "decoder" / "metrics.jsonl").read_text()
    assert run_teacher(*steps) == 0
    assert (tmp_path / "t" / "decoder" / "metrics.jsonl").read_text() == before
    whole, published = load_teacher(tmp_path / "t" / "best").wav2lip(), Wav2Lip()
    shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (whole, published)]
    assert shapes[0] == shapes[1]
    about = json.loads((tmp_path / "t" / "best" / "teacher.json").read_text())
    assert about["recipe"]["joint"]["loss_weights"]["sync"] == 0.01
    assert (tmp_path / "t" / "joint" / "samples").is_dir()


def _make_old(run):
    """Give a run folder the names of an older version."""
    tensors = {new: old for old, new in renamed.TENSORS.items() if old != "draw"} | {"generator": "draw"}
    keys = {new: old for old, new in renamed.KEYS.items()}
    for old, new in renamed.PARTS.items():
        folder = run / new
        if not folder.exists():
            continue
        request = json.loads((folder / "request.json").read_text())
        request["config"] = {keys.get(key, key): value for key, value in request["config"].items()}
        (folder / "request.json").write_text(json.dumps(request))
        weights, metadata = load_tensors(folder / "checkpoint.safetensors")
        named = {".".join(tensors.get(part, part) for part in name.split(".")): x for name, x in weights.items()}
        states = {tensors.get(name, name): state for name, state in json.loads(metadata["optimizers"]).items()}
        save_tensors(folder / "checkpoint.safetensors", named, {**metadata, "optimizers": json.dumps(states)})
        folder.rename(run / old)


def test_main_when_parts_are_of_an_older_version_then_the_run_continues_with_them(run_teacher, tmp_path):
    steps = [word for part in ("decoder", "encoder", "joint") for word in (f"--{part}-steps", "1")]
    for part in ("decoder", "encoder"):
        assert run_teacher(*steps, "--part", part) == 0
    metrics = [(tmp_path / "t" / part / "metrics.jsonl").read_text() for part in ("decoder", "encoder")]
    _make_old(tmp_path / "t")
    assert {path.name for path in (tmp_path / "t").iterdir()} >= {"draw", "hear"}
    assert run_teacher(*steps) == 0
    assert [(tmp_path / "t" / part / "metrics.jsonl").read_text() for part in ("decoder", "encoder")] == metrics
    assert not (tmp_path / "t" / "draw").exists() and (tmp_path / "t" / "best").exists()


def test_decoder_task_when_the_face_encoder_is_frozen_then_its_features_stay_in_bounds_and_its_weights_equal():
    torch.manual_seed(0)
    net = Teacher()
    task = DecoderTask(net, decoder_data(_pictures()), DecoderConfig(batch=2, peak_rate=5e-4, is_face_trained=False))
    before = {name: value.clone() for name, value in net.face_encoder_blocks.state_dict().items()}
    task.step(0, 10, step_generator(0, 0))
    assert all(torch.equal(value, before[name]) for name, value in net.face_encoder_blocks.state_dict().items())
    with torch.no_grad():
        features = net.encode_face(task._face(0))
    assert max(float(feature.mean()) for feature in features) < 3
