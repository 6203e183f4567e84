"""Trains the mouth renderer of Nova on rendered clips."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.studio import arithmetic
from avatar_app.studio.data.clips import Pictures, load_pictures
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, save_mouth_renderer
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.loop import LoopPlan, descend, set_rate, train, update_average
from avatar_app.studio.train.run_folder import RunFolder

UInt8 = NDArray[np.uint8]

CHECKPOINT_STEPS = 500
# Rows and columns of lips and teeth in the crop, where quality is measured.
MOUTH = (slice(164, 244), slice(80, 176))


@dataclass(frozen=True, slots=True)
class RendererRecipe:
    """Hyper-parameters; with data and seed they determine the result.

    Attributes:
        n_steps: number of batches.
        batch: pictures in a batch.
        peak_rate: highest learning rate.
        warm_up: share of the run in which the rate rises.
        edge_weight: loss weight of differences between neighbouring pixels.
        average_decay: of the averaged weights, which are the result.
    """

    n_steps: int = 9000
    batch: int = 16
    peak_rate: float = 2e-3
    warm_up: float = 0.05
    edge_weight: float = 1.0
    average_decay: float = 0.999


class RendererTask:
    """Trains a mouth renderer; for `loop.train`.

    Args:
        data: pictures with their parameters.
        recipe: hyper-parameters.
        seed: of the initial weights.
    """

    def __init__(self, data: Pictures, recipe: RendererRecipe, seed: int) -> None:
        torch.manual_seed(seed)
        self._device = parallel.device()
        self.net = MouthRenderer()
        self._recipe = recipe
        box = self.net.shape.box
        self._rows, self._columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
        self._params = torch.from_numpy(data.params).to(self._device)
        # A copy in memory: random access to one box of each picture would read the whole mapped file.
        self._frames = np.ascontiguousarray(data.frames[:, self._rows, self._columns])
        self._train = np.flatnonzero(data.is_train)
        self._held_out = np.flatnonzero(~data.is_train)[::4]
        sample = self._frames[self._train[::10]]
        self.net.base.data = pixels_of(sample).mean(dim=0, keepdim=True)
        self._weight = pixel_weight(sample).to(self._device)
        self.net = self.net.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).eval()
        self._optimizer = torch.optim.Adam(self.net.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.99))

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.net, "average": self.average}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One Adam."""
        return {"adam": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        set_rate(self._optimizer, one_cycle(index, n_steps, self._recipe))
        chosen = rng.choice(self._train, self._recipe.batch)[parallel.share(self._recipe.batch)]
        ground_truth = self._ground_truth(chosen).contiguous(memory_format=torch.channels_last)
        self.net.train()
        with arithmetic.autocast(self._device):
            pictures = self.net(self._params[chosen])
        parts = self.losses(pictures.float() - ground_truth)
        descend(self._optimizer, parts["loss"])
        update_average(self.average, self.net, min(self._recipe.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    def losses(self, error: Tensor) -> dict[str, Tensor]:
        """Weighted L1 of pixels and of differences between neighbours; the latter keeps edges sharp.

        Args:
            error: (B, 3, h, w) output minus ground truth.
        """
        pixels, edges = pixels_and_edges(error, self._weight)
        edges = self._recipe.edge_weight * edges
        return {"loss": pixels + edges, "pixels": pixels, "edges": edges}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged network on held-out clips, from their ground-truth parameters.

        Returns:
            `mouth_psnr_db`: PSNR of lips and teeth in dB; `sharpness`: gradient magnitude relative to the ground truth.
        """
        rows = slice(MOUTH[0].start - self._rows.start, MOUTH[0].stop - self._rows.start)
        columns = slice(MOUTH[1].start - self._columns.start, MOUTH[1].stop - self._columns.start)
        psnr_db, edges, true_edges = [], 0.0, 0.0
        for chosen in np.array_split(self._held_out, max(1, len(self._held_out) // 32)):
            pictures = self.average(self._params[chosen])[:, :, rows, columns].clamp(0, 1)
            ground_truth = self._ground_truth(chosen)[:, :, rows, columns]
            psnr_db.append(-10 * (pictures - ground_truth).square().mean((1, 2, 3)).clamp_min(1e-12).log10())
            edges += _gradient_energy(pictures)
            true_edges += _gradient_energy(ground_truth)
        return {"mouth_psnr_db": float(torch.cat(psnr_db).mean()), "sharpness": (edges / true_edges) ** 0.5}

    def _ground_truth(self, chosen: NDArray[np.int64]) -> Tensor:
        return pixels_of(self._frames[chosen]).to(self._device)


def pixels_and_edges(error: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean absolute error of pixels, and of differences between neighbours.

    Args:
        error: (B, 3, h, w) output minus ground truth.
        weight: (1, 1, h, w), of each pixel.
    """
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return (error.abs() * weight).mean(), across.mean() + down.mean()


class OneCycle(Protocol):
    """The settings of `one_cycle`."""

    @property
    def peak_rate(self) -> float:
        """Highest learning rate."""

    @property
    def warm_up(self) -> float:
        """Share of the run in which the rate rises."""


def one_cycle(index: int, n_steps: int, recipe: OneCycle) -> float:
    """Learning rate of a step: a short rise and a long cosine decay (Smith and Topin, "Super-convergence", 2018)."""
    progress = index / max(1, n_steps)
    if progress < recipe.warm_up:
        return recipe.peak_rate * (0.04 + 0.96 * progress / recipe.warm_up)
    fall = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.peak_rate * float(0.5 * (1 + np.cos(np.pi * fall))) + 1e-7


def pixel_weight(frames: UInt8) -> Tensor:
    """Loss weight of each pixel, (1, 1, h, w): it grows with the standard deviation.

    Args:
        frames: (n, h, w, 3) uint8.
    """
    spread = frames.astype(np.float32).std(axis=0).mean(axis=-1)
    spread = cv2.blur(spread, (9, 9))
    return torch.from_numpy(np.clip(spread / 8, 0, 4).astype(np.float32) + np.float32(0.3))[None, None]


def _gradient_energy(pictures: Tensor) -> float:
    """Sum of the squared differences between neighbouring pixels."""
    return float(pictures.diff(dim=-1).square().sum() + pictures.diff(dim=-2).square().sum())


def pixels_of(frames: UInt8) -> Tensor:
    """(B, h, w, 3) uint8 -> (B, 3, h, w) float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train mouth-renderer`."""
    return carry_out(run, _parser().parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Train to the end and write `best/`."""
    recipe = RendererRecipe(**{name: getattr(arguments, name) for name in asdict(RendererRecipe())})
    folder = RunFolder(arguments.run)
    folder.open_request({"data": str(arguments.data), **asdict(recipe)}, arguments.seed)
    data = load_pictures(arguments.data / "nova", arguments.cache or arguments.run / "cache")
    task = RendererTask(data, recipe, arguments.seed)
    plan = LoopPlan(
        recipe.n_steps, log_steps=100, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=1000, seed=arguments.seed
    )
    train(task, folder, plan)
    facts: dict[str, object] = {"recipe": asdict(recipe), "held_out": dict(task.evaluate())}
    if parallel.is_chief():
        save_mouth_renderer(arguments.run / "best", task.average, facts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avatar-app studio train mouth-renderer", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--cache", type=Path, help="where decoded pictures are kept (default: in the run folder)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    for name, value in asdict(RendererRecipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser
