"""A generator that learns to speak: under each pressure, after a kill, in one process and in two."""

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
from avatar_app.studio.train import joint as speaking  # noqa: E402
from avatar_app.studio.train.joint import Pressures, SpeakConfig, SpeakTask  # noqa: E402
from avatar_app.studio.train.loop import step_generator  # noqa: E402
from tests.studio.small_nets import make_wav2lip_small  # noqa: E402
from tests.studio.tiny_stage import give_weak_norms, tiny_stage  # noqa: E402

pytestmark = pytest.mark.studio
REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stage():
    # Two threads on a busy machine wait for each other ten times as long as they work.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speaking, "N_HELD_OUT_TAKES", 8)
        make_wav2lip_small(patch)
        yield tiny_stage()
    torch.set_num_threads(n_threads)


def _task(stage, pressures=None, net=None, **config):
    torch.manual_seed(0)
    net = net or Nova96()
    give_weak_norms(net)
    pressures = pressures or Pressures()
    expert = SyncExpert().eval().requires_grad_(False) if pressures.sync else None
    teacher = Teacher().eval().requires_grad_(False) if pressures.need_teacher else None
    return SpeakTask(net, stage, SpeakConfig(pressures, peak_rate=1e-3, **config), expert, teacher)


def _losses(task, n_steps):
    return [task.step(k, n_steps, step_generator(0, k)) for k in range(n_steps)]


def test_step_when_repeated_then_pixels_get_nearer_the_truth(stage):
    task = _task(stage, are_norms_frozen=False, is_face_trained=True)
    before = task.evaluate()["psnr_db"]
    parts = _losses(task, 40)
    assert np.mean([p["pixels"] for p in parts[-5:]]) < 0.7 * np.mean([p["pixels"] for p in parts[:5]])
    assert task.evaluate()["psnr_db"] > before + 2


def test_step_when_all_pressures_are_on_then_each_has_its_part(stage):
    task = _task(stage, Pressures(1, 1, 0.1, 0.03, 0.07, disc_width=2))
    task.modules()["schedule"].is_open.fill_(1)
    parts = _losses(task, 2)[-1]
    assert parts.keys() == {"loss", "pixels", "sync", "quality", "features", "judge"}
    expected = (1 - 0.03 - 0.07) * parts["pixels"] + 0.03 * parts["sync"]
    expected += 0.07 * parts["quality"] + 0.1 * parts["features"]
    assert parts["loss"] == pytest.approx(expected, rel=1e-4)


def test_sync_when_the_expert_is_not_content_then_stays_shut(stage):
    task = _task(stage, Pressures(sync=0.03))
    assert "sync" not in _losses(task, 1)[0]
    task._expert.forward = lambda mel, pictures: torch.full((len(mel),), 0.3)
    assert task.evaluate()["sync"] > 0.75 and not task.modules()["schedule"].is_open
    task._expert.forward = lambda mel, pictures: torch.full((len(mel),), 0.6)
    assert task.evaluate()["sync"] < 0.75 and task.modules()["schedule"].is_open


def test_sync_when_half_the_run_is_over_then_presses_even_if_the_expert_is_not_content(stage):
    task = _task(stage, Pressures(sync=0.03), sync_opens_at=0.5)
    assert ["sync" in parts for parts in _losses(task, 4)] == [False, False, True, True]


def test_lesson_when_there_are_four_lookaheads_then_the_teacher_is_asked_once(stage):
    config = {"n_takes": 3, "n_pictures": 1, "lookaheads_ms": (0, 40, 80, 160)}
    task = _task(stage, Pressures(outputs=1.0, features=0.1), **config)
    lesson = task.lessons.draw(0, step_generator(0, 0))
    assert list(lesson.lookaheads_ms) == [0] * 3 + [40] * 3 + [80] * 3 + [160] * 3
    assert len(lesson.takes.mel) == len(lesson.drawn) == 12 and len(lesson.joined[0]) == 3
    assert torch.equal(lesson.takes.pictures[:3], lesson.takes.pictures[9:])
    assert torch.equal(lesson.drawn[:3], lesson.drawn[9:])
    assert np.isfinite(task.learn(lesson, 0, 10)["features"])


def test_lessons_when_they_wait_in_a_pool_then_the_teacher_is_asked_once_for_three_steps(stage):
    config = {"n_takes": 2, "n_pictures": 1, "pool_lessons": 4, "steps_per_lesson": 3}
    lessons = _task(stage, Pressures(outputs=1.0), **config).lessons
    asked = []
    teach = lessons._taught
    lessons._taught = lambda takes: asked.append(takes.mel) or teach(takes)
    drawn = [lessons.draw(k, step_generator(0, k)) for k in range(9)]
    assert len(asked) == 4 + 2
    assert 1 < len({float(lesson.takes.mel.sum()) for lesson in drawn}) <= 6


def test_lessons_when_a_run_continues_then_its_pool_holds_what_it_held(stage):
    config = {"n_takes": 2, "n_pictures": 1, "pool_lessons": 3, "steps_per_lesson": 2}
    unbroken, continued = (_task(stage, **config).lessons for _ in range(2))
    drawn = [unbroken.draw(k, step_generator(0, k)).takes.mel for k in range(20)]
    assert all(torch.equal(continued.draw(k, step_generator(0, k)).takes.mel, drawn[k]) for k in range(15, 20))


def test_learn_when_sealed_lips_count_more_then_only_where_speech_closes_them(stage):
    plain, weighted = (_task(stage, sealed_weight=w) for w in (1.0, 5.0))
    lesson = plain.lessons.draw(0, step_generator(0, 0))
    mouth = torch.from_numpy(REST).expand_as(lesson.takes.mouth).clone()
    lessons = []
    for opening, smile in ((0.0, 0.5), (0.5, 0.5), (0.0, 0.0)):
        mouth[..., 0], mouth[..., 5] = opening, float(REST[5]) + smile
        lessons.append(replace(lesson, takes=replace(lesson.takes, mouth=mouth.clone())))
    pixels = [[task.learn(one, 0, 10)["pixels"] for one in lessons] for task in (plain, weighted)]
    assert pixels[1][0] > 3 * pixels[0][0]
    assert pixels[1][1:] == pytest.approx(pixels[0][1:], rel=0.2)


def test_learn_when_closings_count_then_only_lips_that_stay_open_where_speech_closes_them_do(stage):
    task = _task(stage, closing_share=0.5)
    lesson = task.lessons.draw(0, step_generator(0, 0))
    parts = task.learn(lesson, 5, 10)
    assert parts["loss"] == pytest.approx(parts["pixels"] + 0.5 * parts["closing"], rel=1e-4)
    # Brighter teeth where lips should meet read as a gap, or, darker, as lips pressed together.
    lips = torch.zeros_like(lesson.takes.pictures.flatten(0, 1))
    lips[:, :, MOUTH_ROWS, MOUTH_COLUMNS] = 0.1 * task._gap.sign()
    mouth = torch.from_numpy(REST).expand_as(lesson.takes.mouth).clone()
    mouth[..., 5] += 0.5
    sealed = replace(lesson.takes, mouth=mouth.clone())
    mouth[..., 0] = 0.5
    spoken = replace(lesson.takes, mouth=mouth)
    assert float(task._closing(lips, task._gap, sealed)) > 0
    assert float(task._closing(-lips, task._gap, sealed)) == 0 == float(task._closing(lips, task._gap, spoken))


def test_learn_when_motion_counts_then_trembling_does_and_a_steady_error_does_not(stage):
    task = _task(stage, velocity_share=0.5, n_takes=3, n_pictures=3)
    lesson = task.lessons.draw(0, step_generator(0, 0))
    parts = task.learn(lesson, 0, 10)
    assert parts["loss"] == pytest.approx(parts["pixels"] + 0.5 * parts["velocity"], rel=1e-4)
    true = lesson.takes.pictures
    steady, trembling = true + 0.1, true.clone()
    trembling[:, 1] += 0.1
    velocity = [float(task._velocity(drawn.flatten(0, 1), lesson.takes)) for drawn in (true, steady, trembling)]
    assert velocity[0] == 0 and velocity[1] < 1e-6 and velocity[2] == pytest.approx(0.1, rel=0.01)


def test_task_when_its_recipe_needs_a_teacher_that_is_missing_then_says_so(stage):
    with pytest.raises(StudioError, match="teacher"):
        SpeakTask(Nova96(), stage, SpeakConfig(Pressures(outputs=1.0)))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    _run(folder, 6)
    return folder


def test_run_when_killed_with_nine_then_continues_to_the_same_weights(unbroken, tmp_path):
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
    went = torch.cat([(one[name] - start[name]).flatten() for name in learned])
    apart = torch.cat([(one[name] - two[name]).flatten() for name in learned])
    # Adam takes a full step for the smallest gradient, so weights that hardly matter may part by rounding alone.
    assert went.norm() > 0.1
    assert apart.norm() < 0.01 * went.norm()
    losses = [_losses_in(folder) for folder in (unbroken, tmp_path / "two")]
    assert len(losses[0]) == 6
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def _losses_in(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def _run(folder, *arguments, launcher=(), check=True):
    command = [sys.executable, *launcher, "-m", "tests.studio.speak_run", str(folder), *map(str, arguments)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=check, timeout=240)


def test_load_teacher_when_saved_then_same_weights_and_when_missing_then_says_so(tmp_path):
    net = Teacher()
    save_teacher(tmp_path / "t", net, {})
    loaded = load_teacher(tmp_path / "t").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())
    with pytest.raises(StudioError, match="cannot be read"):
        load_teacher(tmp_path / "nothing")
