"""A real training of the network that draws, on mouths that are fields of light."""

import numpy as np
import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.clips import Pictures
from avatar_app.studio.mouth import N_MOUTH
from avatar_app.studio.nets.mouth_renderer import PictureNet, load_picture_net, save_picture_net
from avatar_app.studio.train import mouth_renderer as picture
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.mouth_renderer import PictureRecipe, PictureTask, one_cycle, pixel_weight
from avatar_app.studio.train.run_folder import RunFolder
from tests.studio.small_nets import PICTURE

pytestmark = pytest.mark.studio


@pytest.fixture
def small(monkeypatch):
    """What is trained is narrow."""
    monkeypatch.setattr(picture, "PictureNet", lambda: PictureNet(PICTURE))


def lights(n: int = 48) -> Pictures:
    """The first parameter says how bright a field is."""
    rng = np.random.default_rng(0)
    params = np.zeros((n, N_MOUTH), np.float32)
    params[:, 0] = rng.uniform(0, 1, n)
    frames = np.full((n, 256, 256, 3), 40, np.uint8)
    for frame, light in zip(frames, params[:, 0], strict=True):
        frame[170:240, 90:170] = 40 + 200 * light
    return Pictures(frames, params, np.arange(n) < 40, np.zeros(n, np.int64))


def run(folder, n_steps: int, plan_steps: int | None = None) -> PictureTask:
    torch.set_num_threads(1)
    task = PictureTask(lights(), PictureRecipe(batch=4), seed=0)
    train(task, RunFolder(folder), LoopPlan(plan_steps or n_steps, log_steps=5, checkpoint_steps=5))
    return task


def test_net_when_default_then_picture_has_the_boxs_size_and_is_small():
    net = PictureNet()
    assert net(torch.rand(2, N_MOUTH)).shape == (2, 3, net.shape.box.h, net.shape.box.w)
    assert sum(p.numel() for p in net.parameters()) < 1_100_000


def test_net_when_saved_then_draws_the_same(tmp_path):
    net = PictureNet(PICTURE).eval()
    save_picture_net(tmp_path, net, {"held_out": {"mouth_psnr_db": 40.0}})
    params = torch.rand(1, N_MOUTH)
    assert torch.equal(load_picture_net(tmp_path)(params), net(params))


@pytest.mark.parametrize("name", ["picture.safetensors", "picture.json"])
def test_load_when_file_is_cut_short_then_sentence(tmp_path, name):
    save_picture_net(tmp_path, PictureNet(PICTURE), {})
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    with pytest.raises(StudioError):
        load_picture_net(tmp_path)


def test_training_when_run_a_little_then_held_out_pictures_get_nearer(small):
    task = PictureTask(lights(), PictureRecipe(batch=8, peak_rate=5e-3), seed=0)
    before = task.evaluate()["mouth_psnr_db"]
    rng = np.random.default_rng(0)
    for index in range(80):
        task.step(index, 80, rng)
    assert task.evaluate()["mouth_psnr_db"] > before + 0.5


def test_training_when_stopped_and_continued_then_same_weights(small, tmp_path):
    whole = run(tmp_path / "whole", 10)
    task = PictureTask(lights(), PictureRecipe(batch=4), seed=0)

    def stop_at_seven(line: str) -> None:
        if "step 5 " in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task, RunFolder(tmp_path / "cut"), LoopPlan(10, log_steps=1, checkpoint_steps=3), tell=stop_at_seven)
    continued = PictureTask(lights(), PictureRecipe(batch=4), seed=1)
    train(continued, RunFolder(tmp_path / "cut"), LoopPlan(10, log_steps=1, checkpoint_steps=3))
    for a, b in zip(whole.net.state_dict().values(), continued.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_weight_when_pixels_move_then_they_count_more():
    weight = pixel_weight(lights().frames)[0, 0]
    assert weight[200, 125] > 3 * weight[20, 20]


def test_rate_when_run_ends_then_it_fell_to_nothing():
    recipe = PictureRecipe()
    assert one_cycle(0, 1000, recipe) < one_cycle(50, 1000, recipe) == pytest.approx(recipe.peak_rate, rel=1e-3)
    assert one_cycle(999, 1000, recipe) < 1e-4 * recipe.peak_rate + 2e-7
