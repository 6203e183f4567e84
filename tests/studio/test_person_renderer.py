"""The mouth renderer of a person: nuisance inputs, losses, and a short training on tiny clips."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.data import person_pictures as person_pictures_module
from avatar_app.studio.data.person_pictures import (
    LIGHT_UNIT,
    N_NUISANCES,
    Normal,
    light_of,
    person_pictures,
    unexplained,
)
from avatar_app.studio.nets.mouth_renderer import (
    NOVA_BOX,
    MouthRenderer,
    MouthRendererShape,
    load_mouth_renderer,
    save_mouth_renderer,
)
from avatar_app.studio.nets.person_renderer import PersonRenderer, PictureTable
from avatar_app.studio.train import person_renderer as module
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.person_losses import detail_loss
from avatar_app.studio.train.person_renderer import PersonRecipe, PersonRendererTask, in_light_of, train_person_renderer
from avatar_app.studio.train.run_folder import RunFolder
from tests.studio.person_clips import N_PICTURES, person_clips

pytestmark = pytest.mark.studio

# Wider than the other small networks: with fewer units, all may be off.
RENDERER = MouthRendererShape(n_hidden=32, n_code=8, widths=(16, 16, 16, 16))
SHORT = PersonRecipe(n_steps=6, batch=2)


@pytest.fixture
def initial(tmp_path):
    """The folder of a narrow renderer."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    save_mouth_renderer(tmp_path / "initial", MouthRenderer(RENDERER), {})
    return tmp_path / "initial"


@pytest.fixture(scope="module")
def clips():
    return person_clips()


def person_net() -> PersonRenderer:
    torch.manual_seed(0)
    net = PersonRenderer(MouthRenderer(RENDERER), n_nuisances=3, n_latents=2).eval()
    # A new network renders little more than its base picture.
    net.renderer.subpixels.weight.data *= 100
    return net


@torch.no_grad()
def test_folded_when_nuisances_are_constant_then_equal_pictures_from_parameters_alone():
    net, params = person_net(), torch.rand(4, N_MOUTH)
    nuisances = torch.tensor([0.5, -1.0, 2.0])
    expected = net(params, nuisances.expand(4, -1))
    assert torch.allclose(net.folded(nuisances)(params), expected, atol=1e-6)
    assert not torch.allclose(net.folded(torch.zeros(3))(params), expected, atol=1e-4)
    # The network itself is unchanged.
    assert torch.equal(net(params, nuisances.expand(4, -1)), expected)


@torch.no_grad()
def test_net_when_latents_are_missing_then_they_are_zero():
    net, params, nuisances = person_net(), torch.rand(2, N_MOUTH), torch.zeros(2, 3)
    assert torch.equal(net(params, nuisances), net(params, nuisances, torch.zeros(2, 2)))
    assert not torch.equal(net(params, nuisances), net(params, nuisances, torch.ones(2, 2)))


@torch.no_grad()
def test_table_when_corrections_are_huge_then_parameters_move_by_the_limit():
    reach = torch.linspace(0.0, 0.2, N_MOUTH)
    table, params = PictureTable(3, 2, reach), torch.full((1, N_MOUTH), 0.5)
    table.corrections[1] = 100.0
    assert torch.equal(table.corrected(params, torch.tensor([0])), params)
    assert torch.allclose(table.corrected(params, torch.tensor([1])), params + reach)


def test_normal_when_the_light_and_the_pose_differ_then_the_nuisances_tell_it_in_units(clips):
    light = np.stack([light_of(picture) for picture in clips[0].pictures])
    normal = Normal(np.array([1, 2, 3], np.float32), light[0])
    found = normal.nuisances(np.array([[6, 2, 300]], np.float32), light[1:2])
    assert found.shape == (1, N_NUISANCES)
    assert np.allclose(found[0, :3], [1, 0, 3])
    assert np.allclose(found[0, 3:], (light[1] - light[0]) / LIGHT_UNIT, atol=1e-5)


def test_pictures_when_read_then_patches_and_nuisances_of_training_and_validation(clips):
    data = person_pictures(clips, NOVA_BOX)
    assert data.patches.shape == (3 * N_PICTURES, NOVA_BOX.h, NOVA_BOX.w, 3)
    assert np.array_equal(data.patches[0], clips[0].pictures[0][144:256, 32:224])
    light = np.concatenate([[light_of(picture) for picture in clip.pictures] for clip in clips[:3]])
    assert np.corrcoef(data.nuisances[:, 3], light[:, 0])[0, 1] > 0.95
    assert np.abs(data.nuisances[data.is_train].mean(axis=0)).max() < 0.5


def test_unexplained_when_the_pose_moves_with_the_jaw_then_only_the_turn_of_the_head_is_left():
    rng = np.random.default_rng(0)
    params, turn = (rng.uniform(0, 1, (2000, k)).astype(np.float32) for k in (N_MOUTH, 1))
    measured = turn + 2 * params[:, :1] + params[:, 1:2] ** 2
    found = unexplained(measured, params, np.arange(2000) < 1500)
    assert abs(np.corrcoef(found[1500:, 0], params[1500:, 0])[0, 1]) < 0.2
    assert np.corrcoef(found[1500:, 0], turn[1500:, 0])[0, 1] > 0.95


def test_pictures_when_some_are_not_usable_then_left_out_and_test_clips_too(clips):
    use = np.arange(N_PICTURES) % 2 == 0
    data = person_pictures([replace(clip, is_usable=use) for clip in clips], NOVA_BOX)
    assert len(data.params) == 3 * use.sum() and data.is_train.sum() == 2 * use.sum()
    assert np.array_equal(data.params[: use.sum()], clips[0].params[use])


def test_pictures_when_there_are_too_many_then_equal_steps_are_taken(clips, monkeypatch):
    monkeypatch.setattr(person_pictures_module, "MAX_PICTURES", 45)
    data = person_pictures(clips, NOVA_BOX)
    assert len(data.params) <= 45
    assert np.array_equal(data.params[:13], clips[0].params[::2])


def test_pictures_when_too_few_are_usable_then_an_error_says_so(clips):
    dark = [replace(clip, is_usable=np.arange(N_PICTURES) < 5) for clip in clips]
    with pytest.raises(StudioError, match="Only 10 pictures"):
        person_pictures(dark, NOVA_BOX)


def test_detail_loss_when_an_edge_is_moved_then_less_than_when_it_is_blurred():
    sharp = torch.zeros(1, 3, 32, 32)
    sharp[..., 16:] = 1.0
    moved, weight = torch.roll(sharp, 1, dims=-1), torch.ones(1, 1, 32, 32)
    moved[..., :1] = 0.0
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(sharp, (2, 2, 2, 2), mode="replicate"), 5, 1)
    assert detail_loss(sharp, sharp, weight) == 0
    assert 1.3 * detail_loss(moved, sharp, weight) < detail_loss(blurred, sharp, weight)


def run(folder, clips, n_steps: int) -> PersonRendererTask:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = PersonRendererTask(person_pictures(clips, NOVA_BOX), SHORT, 0, MouthRenderer(RENDERER))
    train(task, RunFolder(folder), LoopPlan(n_steps, log_steps=2, checkpoint_steps=3))
    return task


def test_training_when_continued_then_same_weights_as_in_one_go(tmp_path, clips, monkeypatch):
    monkeypatch.setattr(module, "one_cycle", lambda index, n_steps, recipe: 1e-3)
    whole = run(tmp_path / "whole", clips, 6)
    run(tmp_path / "parts", clips, 3)
    parts = run(tmp_path / "parts", clips, 6)
    for name, module_ in whole.modules().items():
        for one, other in zip(module_.state_dict().values(), parts.modules()[name].state_dict().values(), strict=True):
            assert torch.equal(one, other), name
    reach = whole.modules()["pictures"].state_dict()["reach"].numpy()
    assert np.allclose(reach, 0.5 * person_pictures(clips, NOVA_BOX).params[: 2 * N_PICTURES].std(axis=0))
    # Only pictures of the batches were learned, none of them for validation.
    moved = whole.modules()["pictures"].state_dict()["latents"].abs().sum(dim=1) > 0
    assert 0 < moved.sum() <= 12 and not moved[2 * N_PICTURES :].any()


def test_evaluation_when_the_light_of_the_pictures_differs_then_it_shows_median_conditions(clips):
    data = person_pictures(clips, NOVA_BOX)
    found = []
    for nuisances in (data.nuisances, data.nuisances + 3):
        torch.manual_seed(0)
        task = PersonRendererTask(replace(data, nuisances=nuisances), SHORT, 0, MouthRenderer(RENDERER))
        task.average.renderer.subpixels.weight.data *= 100
        found.append(task.evaluate())
    assert found[0] == found[1]


def test_step_when_a_picture_is_not_in_the_batch_then_its_latents_stay(clips):
    torch.manual_seed(0)
    task = PersonRendererTask(person_pictures(clips, NOVA_BOX), SHORT, 0, MouthRenderer(RENDERER))
    states = []
    for seed in (1, 2):
        task.step(0, 2, np.random.default_rng(seed))
        states.append(task.modules()["pictures"].state_dict()["latents"].clone())
    first, second = (np.random.default_rng(k).choice(2 * N_PICTURES, SHORT.batch, p=task._chance) for k in (1, 2))
    stays = np.setdiff1d(first, second)
    assert len(stays) and torch.equal(states[0][stays], states[1][stays])
    assert states[0][stays].abs().sum() > 0 and not torch.equal(states[0][second], states[1][second])


def test_chances_when_one_mouth_is_wide_open_then_it_is_drawn_four_times_as_often_as_the_others():
    params = np.zeros((100, N_MOUTH), np.float32)
    params[:, 0] = np.linspace(0, 0.1, 100)
    params[7, 0] = 1.0
    found = module.chances(params)
    assert found.sum() == pytest.approx(1)
    assert found[7] / found.min() == pytest.approx(module.MAX_CHANCE)
    assert np.argmax(found) == 7
    assert np.allclose(module.chances(np.zeros((3, N_MOUTH), np.float32)), 1 / 3)


def test_train_when_stopped_by_the_progress_then_continues_there(tmp_path, clips, initial, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    seen = []

    def stop(done: int, n_steps: int) -> None:
        seen.append(done)
        if done == 4 and seen.count(4) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_person_renderer(clips, tmp_path / "run", SHORT, initial, progress=stop)
    best = train_person_renderer(clips, tmp_path / "run", SHORT, initial, progress=stop)
    # The checkpoint after two steps is complete.
    assert seen == [1, 2, 3, 4, 3, 4, 5, 6]
    net = load_mouth_renderer(best)
    assert net.shape == RENDERER
    assert (tmp_path / "run" / "samples" / "000006.png").exists()


def test_train_when_extended_then_only_the_new_steps_run(tmp_path, clips, initial):
    seen = []
    train_person_renderer(clips, tmp_path, SHORT, initial)
    more = replace(SHORT, n_steps=8)
    train_person_renderer(clips, tmp_path, more, initial, progress=lambda done, _: seen.append(done))
    assert seen == [7, 8]


def test_train_when_no_clip_is_for_validation_then_training_pictures_are_shown(tmp_path, initial):
    best = train_person_renderer(person_clips((Split.TRAIN,)), tmp_path, replace(SHORT, n_steps=2), initial)
    assert load_mouth_renderer(best)(torch.zeros(1, N_MOUTH)).isfinite().all()


def test_train_when_it_runs_then_the_loss_falls_in_the_run_s_metrics(tmp_path, clips, initial, monkeypatch):
    monkeypatch.setattr(module, "LOG_STEPS", 5)
    train_person_renderer(clips, tmp_path / "run", replace(SHORT, n_steps=30, peak_rate=4e-3), initial)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.85 * losses[0]
    assert {"pixels", "edges", "detail", "prior"} <= set(lines[0])
    assert {"held_out_mouth_psnr_db", "held_out_sharpness"} <= set(lines[-1])


def test_result_when_the_face_at_rest_is_brighter_then_the_mouth_gets_its_light(tmp_path, clips, initial):
    normal = person_pictures(clips, NOVA_BOX).normal
    same = np.repeat(normal.light.reshape(2, 1, 3), 128, axis=1).reshape(1, 256, 3)
    rest = np.rint(np.repeat(same, 256, axis=0)).astype(np.uint8)
    bright = np.clip(rest.astype(np.int16) + 20, 0, 255).astype(np.uint8)
    median = load_mouth_renderer(train_person_renderer(clips, tmp_path, replace(SHORT, n_steps=3), initial))
    # The light is one of the inputs; only the first layer's bias changes.
    lit = load_mouth_renderer(in_light_of(tmp_path, bright))
    bias, others = "read.0.bias", [name for name in median.state_dict() if name != "read.0.bias"]
    assert all(torch.equal(lit.state_dict()[name], median.state_dict()[name]) for name in others)
    assert not torch.allclose(lit.state_dict()[bias], median.state_dict()[bias], atol=1e-3)
    unchanged = load_mouth_renderer(in_light_of(tmp_path, rest)).state_dict()[bias]
    assert torch.allclose(unchanged, median.state_dict()[bias], atol=0.02)


def test_light_when_the_run_is_not_finished_then_an_error_says_so(tmp_path, clips):
    with pytest.raises(StudioError, match="cannot be read"):
        in_light_of(tmp_path, clips[0].pictures[0])


def test_task_when_a_mask_is_given_then_hidden_pixels_count_little(clips):
    shown = np.zeros((256, 256), np.float32)
    shown[180:230, 100:160] = 1.0
    data = person_pictures(clips, NOVA_BOX)
    plain, masked = (PersonRendererTask(data, SHORT, 0, MouthRenderer(RENDERER), None, m) for m in (None, shown))
    ratio = (masked._weight / plain._weight)[0, 0]
    assert ratio[200 - NOVA_BOX.y, 130 - NOVA_BOX.x] == pytest.approx(1)
    assert ratio[0, 0] == pytest.approx(module.HIDDEN_WEIGHT, abs=0.01)
