"""A short training of the mouth renderer, on synthetic pictures."""

import numpy as np
import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.data.clips import Pictures
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, load_mouth_renderer, save_mouth_renderer
from avatar_app.studio.train import mouth_renderer as module
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.mouth_renderer import RendererRecipe, RendererTask, one_cycle, pixel_weight
from avatar_app.studio.train.run_folder import RunFolder
from tests.studio.small_nets import RENDERER

pytestmark = pytest.mark.studio


@pytest.fixture
def small(monkeypatch):
    """Train a narrow network."""
    monkeypatch.setattr(module, "MouthRenderer", lambda: MouthRenderer(RENDERER))


def lights(n: int = 48) -> Pictures:
    """The first parameter is the brightness of a square."""
    rng = np.random.default_rng(0)
    params = np.zeros((n, N_MOUTH), np.float32)
    params[:, 0] = rng.uniform(0, 1, n)
    frames = np.full((n, 256, 256, 3), 40, np.uint8)
    for frame, light in zip(frames, params[:, 0], strict=True):
        frame[170:240, 90:170] = 40 + 200 * light
    return Pictures(frames, params, np.arange(n) < 40, np.zeros(n, np.int64))


def run(folder, n_steps: int, plan_steps: int | None = None) -> RendererTask:
    torch.set_num_threads(1)
    task = RendererTask(lights(), RendererRecipe(batch=4), seed=0)
    train(task, RunFolder(folder), LoopPlan(plan_steps or n_steps, log_steps=5, checkpoint_steps=5))
    return task


def test_net_when_default_then_picture_has_the_boxs_size_and_is_small():
    net = MouthRenderer()
    assert net(torch.rand(2, N_MOUTH)).shape == (2, 3, net.shape.box.h, net.shape.box.w)
    assert sum(p.numel() for p in net.parameters()) < 1_100_000


def test_net_when_saved_then_same_output(tmp_path):
    net = MouthRenderer(RENDERER).eval()
    save_mouth_renderer(tmp_path, net, {"held_out": {"mouth_psnr_db": 40.0}})
    params = torch.rand(1, N_MOUTH)
    assert torch.equal(load_mouth_renderer(tmp_path)(params), net(params))


@pytest.mark.parametrize("name", ["picture.safetensors", "picture.json"])
def test_load_when_file_is_truncated_then_error(tmp_path, name):
    save_mouth_renderer(tmp_path, MouthRenderer(RENDERER), {})
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    with pytest.raises(StudioError):
        load_mouth_renderer(tmp_path)


def test_training_when_run_a_little_then_held_out_psnr_rises(small):
    task = RendererTask(lights(), RendererRecipe(batch=8, peak_rate=5e-3), seed=0)
    before = task.evaluate()["mouth_psnr_db"]
    rng = np.random.default_rng(0)
    for index in range(80):
        task.step(index, 80, rng)
    assert task.evaluate()["mouth_psnr_db"] > before + 0.5


def test_training_when_stopped_and_continued_then_same_weights(small, tmp_path):
    whole = run(tmp_path / "whole", 10)
    task = RendererTask(lights(), RendererRecipe(batch=4), seed=0)

    def stop_at_seven(line: str) -> None:
        if "step 5 " in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task, RunFolder(tmp_path / "cut"), LoopPlan(10, log_steps=1, checkpoint_steps=3), report=stop_at_seven)
    continued = RendererTask(lights(), RendererRecipe(batch=4), seed=1)
    train(continued, RunFolder(tmp_path / "cut"), LoopPlan(10, log_steps=1, checkpoint_steps=3))
    for a, b in zip(whole.net.state_dict().values(), continued.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_weight_when_pixels_vary_then_higher():
    weight = pixel_weight(lights().frames)[0, 0]
    assert weight[200, 125] > 3 * weight[20, 20]


def test_rate_when_run_ends_then_near_zero():
    recipe = RendererRecipe()
    assert one_cycle(0, 1000, recipe) < one_cycle(50, 1000, recipe) == pytest.approx(recipe.peak_rate, rel=1e-3)
    assert one_cycle(999, 1000, recipe) < 1e-4 * recipe.peak_rate + 2e-7
