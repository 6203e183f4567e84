"""Joint training: each loss term, continuation after a kill, one process and two."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError  # noqa: E402
from avatar_app.studio.data.faces import MOUTH_COLUMNS, MOUTH_ROWS  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert  # noqa: E402
from avatar_app.studio.nets.nova96 import Nova96  # noqa: E402
from avatar_app.studio.nets.teacher import Teacher, load_teacher, save_teacher  # noqa: E402
from avatar_app.studio.nets.tensor_file import load_tensors  # noqa: E402
from avatar_app.studio.train import joint  # noqa: E402
from avatar_app.studio.train.joint import JointTask  # noqa: E402
from avatar_app.studio.train.joint_config import JointConfig, LossWeights  # noqa: E402
from avatar_app.studio.train.loop import step_generator  # noqa: E402
from tests.studio.small_nets import make_wav2lip_small  # noqa: E402
from tests.studio.tiny_dataset import give_weak_norms, tiny_dataset  # noqa: E402

pytestmark = pytest.mark.studio
REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset():
    # On a busy machine, two threads spend most of the time waiting for each other.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint, "N_HELD_OUT_CLIPS", 8)
        make_wav2lip_small(patch)
        yield tiny_dataset()
    torch.set_num_threads(n_threads)


def _task(dataset, loss_weights=None, net=None, **config):
    torch.manual_seed(0)
    net = net or Nova96()
    give_weak_norms(net)
    loss_weights = loss_weights or LossWeights()
    expert = SyncExpert().eval().requires_grad_(False) if loss_weights.sync else None
    teacher = Teacher().eval().requires_grad_(False) if loss_weights.needs_teacher else None
    return JointTask(net, dataset, JointConfig(loss_weights, peak_rate=1e-3, **config), expert, teacher)


def _losses(task, n_steps):
    return [task.step(k, n_steps, step_generator(0, k)) for k in range(n_steps)]


def test_step_when_repeated_then_the_error_falls(dataset):
    task = _task(dataset, are_norms_frozen=False, is_face_trained=True)
    before = task.evaluate()["psnr_db"]
    parts = _losses(task, 40)
    assert np.mean([p["pixels"] for p in parts[-5:]]) < 0.7 * np.mean([p["pixels"] for p in parts[:5]])
    assert task.evaluate()["psnr_db"] > before + 2


def test_step_when_all_terms_are_on_then_the_loss_is_their_weighted_sum(dataset):
    task = _task(dataset, LossWeights(1, 1, 0.1, 0.03, 0.07, discriminator_width=2))
    task.modules()["schedule"].is_open.fill_(1)
    parts = _losses(task, 2)[-1]
    assert parts.keys() == {"loss", "pixels", "sync", "quality", "features", "discriminator"}
    expected = (1 - 0.03 - 0.07) * parts["pixels"] + 0.03 * parts["sync"]
    expected += 0.07 * parts["quality"] + 0.1 * parts["features"]
    assert parts["loss"] == pytest.approx(expected, rel=1e-4)


def test_sync_when_the_held_out_loss_is_high_then_the_term_stays_off(dataset):
    task = _task(dataset, LossWeights(sync=0.03))
    assert "sync" not in _losses(task, 1)[0]
    task._expert.forward = lambda mel, pictures: torch.full((len(mel),), 0.3)
    assert task.evaluate()["sync"] > 0.75 and not task.modules()["schedule"].is_open
    task._expert.forward = lambda mel, pictures: torch.full((len(mel),), 0.6)
    assert task.evaluate()["sync"] < 0.75 and task.modules()["schedule"].is_open


def test_sync_when_half_the_run_is_over_then_the_term_is_on_with_any_held_out_loss(dataset):
    task = _task(dataset, LossWeights(sync=0.03), sync_opens_at=0.5)
    assert ["sync" in parts for parts in _losses(task, 4)] == [False, False, True, True]


def test_batch_when_there_are_four_lookaheads_then_teacher_outputs_are_computed_once(dataset):
    config = {"n_clips": 3, "n_pictures": 1, "lookaheads_ms": (0, 40, 80, 160)}
    task = _task(dataset, LossWeights(teacher_outputs=1.0, features=0.1), **config)
    batch = task.batches.draw(0, step_generator(0, 0))
    assert list(batch.lookaheads_ms) == [0] * 3 + [40] * 3 + [80] * 3 + [160] * 3
    assert len(batch.clips.mel) == len(batch.pictures) == 12 and len(batch.features[0]) == 3
    assert torch.equal(batch.clips.pictures[:3], batch.clips.pictures[9:])
    assert torch.equal(batch.pictures[:3], batch.pictures[9:])
    assert np.isfinite(task.learn(batch, 0, 10)["features"])


def test_pool_when_steps_share_batches_then_teacher_outputs_are_computed_once_for_three_steps(dataset):
    config = {"n_clips": 2, "n_pictures": 1, "pool_batches": 4, "steps_per_batch": 3}
    pool = _task(dataset, LossWeights(teacher_outputs=1.0), **config).batches
    computed = []
    compute = pool._with_teacher
    pool._with_teacher = lambda clips: computed.append(clips.mel) or compute(clips)
    drawn = [pool.draw(k, step_generator(0, k)) for k in range(9)]
    assert len(computed) == 4 + 2
    assert 1 < len({float(batch.clips.mel.sum()) for batch in drawn}) <= 6


def test_pool_when_a_run_continues_then_same_batches(dataset):
    config = {"n_clips": 2, "n_pictures": 1, "pool_batches": 3, "steps_per_batch": 2}
    unbroken, continued = (_task(dataset, **config).batches for _ in range(2))
    drawn = [unbroken.draw(k, step_generator(0, k)).clips.mel for k in range(20)]
    assert all(torch.equal(continued.draw(k, step_generator(0, k)).clips.mel, drawn[k]) for k in range(15, 20))


def test_learn_when_sealed_lips_have_a_weight_then_only_where_speech_closes_them(dataset):
    plain, weighted = (_task(dataset, sealed_weight=w) for w in (1.0, 5.0))
    batch = plain.batches.draw(0, step_generator(0, 0))
    mouth = torch.from_numpy(REST).expand_as(batch.clips.mouth).clone()
    batches = []
    for opening, smile in ((0.0, 0.5), (0.5, 0.5), (0.0, 0.0)):
        mouth[..., 0], mouth[..., 5] = opening, float(REST[5]) + smile
        batches.append(replace(batch, clips=replace(batch.clips, mouth=mouth.clone())))
    pixels = [[task.learn(one, 0, 10)["pixels"] for one in batches] for task in (plain, weighted)]
    assert pixels[1][0] > 3 * pixels[0][0]
    assert pixels[1][1:] == pytest.approx(pixels[0][1:], rel=0.2)


def test_learn_when_closings_have_a_weight_then_only_open_lips_where_speech_closes_them_count(dataset):
    task = _task(dataset, closing_weight=0.5)
    batch = task.batches.draw(0, step_generator(0, 0))
    parts = task.learn(batch, 5, 10)
    assert parts["loss"] == pytest.approx(parts["pixels"] + 0.5 * parts["closing"], rel=1e-4)
    # Brighter teeth between the lips read as a gap, darker ones as closed lips.
    lips = torch.zeros_like(batch.clips.pictures.flatten(0, 1))
    lips[:, :, MOUTH_ROWS, MOUTH_COLUMNS] = 0.1 * task.loss.gap.sign()
    mouth = torch.from_numpy(REST).expand_as(batch.clips.mouth).clone()
    mouth[..., 5] += 0.5
    sealed = replace(batch.clips, mouth=mouth.clone())
    mouth[..., 0] = 0.5
    spoken = replace(batch.clips, mouth=mouth)
    assert float(task.loss.closing(lips, task.loss.gap, sealed)) > 0
    assert (
        float(task.loss.closing(-lips, task.loss.gap, sealed))
        == 0
        == float(task.loss.closing(lips, task.loss.gap, spoken))
    )


def test_learn_when_velocity_has_a_weight_then_jitter_counts_and_a_constant_error_does_not(dataset):
    task = _task(dataset, velocity_weight=0.5, n_clips=3, n_pictures=3)
    batch = task.batches.draw(0, step_generator(0, 0))
    parts = task.learn(batch, 0, 10)
    assert parts["loss"] == pytest.approx(parts["pixels"] + 0.5 * parts["velocity"], rel=1e-4)
    ground_truth = batch.clips.pictures
    steady, jittering = ground_truth + 0.1, ground_truth.clone()
    jittering[:, 1] += 0.1
    velocity = [
        float(task.loss.velocity(pictures.flatten(0, 1), batch.clips)) for pictures in (ground_truth, steady, jittering)
    ]
    assert velocity[0] == 0 and velocity[1] < 1e-6 and velocity[2] == pytest.approx(0.1, rel=0.01)


def test_task_when_its_teacher_is_missing_then_error(dataset):
    with pytest.raises(StudioError, match="teacher"):
        JointTask(Nova96(), dataset, JointConfig(LossWeights(teacher_outputs=1.0)))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    _run(folder, 6)
    return folder


def test_run_when_killed_then_continues_to_the_same_weights(unbroken, tmp_path):
    assert _run(tmp_path / "cut", 6, 5, check=False).returncode == -9
    assert (tmp_path / "cut" / "checkpoint.safetensors").exists()
    _run(tmp_path / "cut", 6)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6]
    whole, cut = (load_tensors(folder / "net.safetensors")[0] for folder in (unbroken, tmp_path / "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_run_when_two_processes_share_it_then_equals_one(unbroken, tmp_path):
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    _run(tmp_path / "two", 6, launcher=launch)
    one, two = (load_tensors(folder / "net.safetensors")[0] for folder in (unbroken, tmp_path / "two"))
    torch.manual_seed(0)
    start = Nova96().state_dict()
    learned = [name for name, value in one.items() if value.is_floating_point() and "running" not in name]
    change = torch.cat([(one[name] - start[name]).flatten() for name in learned])
    difference = torch.cat([(one[name] - two[name]).flatten() for name in learned])
    # Adam takes a full step for the smallest gradient, so weights with little effect differ by rounding alone.
    assert change.norm() > 0.1
    assert difference.norm() < 0.01 * change.norm()
    losses = [_losses_in(folder) for folder in (unbroken, tmp_path / "two")]
    assert len(losses[0]) == 6
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def _losses_in(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def _run(folder, *arguments, launcher=(), check=True):
    command = [sys.executable, *launcher, "-m", "tests.studio.joint_run", str(folder), *map(str, arguments)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=check, timeout=240)


def test_load_teacher_when_saved_then_same_weights_and_when_missing_then_error(tmp_path):
    net = Teacher()
    save_teacher(tmp_path / "t", net, {})
    loaded = load_teacher(tmp_path / "t").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())
    with pytest.raises(StudioError, match="cannot be read"):
        load_teacher(tmp_path / "nothing")
