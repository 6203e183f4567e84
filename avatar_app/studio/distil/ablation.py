"""Ablation of the distillation losses: seven recipes are trained side by side on the same batches."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.av_clips import UInt8
from avatar_app.studio.data.dataset import Dataset, load_dataset
from avatar_app.studio.metrics.generators import GeneratorScorer
from avatar_app.studio.nets.expert import SyncExpert, load_expert
from avatar_app.studio.nets.nova96 import Nova96
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher, load_teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.joint import JointTask
from avatar_app.studio.train.joint_config import JointConfig, LossWeights
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.teacher_batches import TeacherBatchPool

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 100
# Loss weight of the features: all terms are about equal at the start.
W_FEATURES = 0.1
# A quarter of the published width: a discriminator of 14 million parameters would take most of the time.
DISCRIMINATOR_WIDTH = 8
RECIPES = {
    "from scratch, L1": LossWeights(),
    "from scratch, L1 + sync": LossWeights(sync=0.03),
    "from scratch, L1 + sync + GAN": LossWeights(sync=0.03, quality=0.07, discriminator_width=DISCRIMINATOR_WIDTH),
    "distilled, outputs": LossWeights(teacher_outputs=1.0),
    "distilled, features": LossWeights(features=W_FEATURES),
    "distilled, both": LossWeights(teacher_outputs=1.0, features=W_FEATURES),
    "distilled, both + sync": LossWeights(teacher_outputs=1.0, features=W_FEATURES, sync=0.03),
}
# In so short a run the sync loss of a network from scratch never gets low enough to switch the term on.
CONFIG = JointConfig(peak_rate=1e-3, are_norms_frozen=False, is_face_trained=True, sync_opens_at=0.5)


class AblationTask:
    """All recipes at once; for `loop.train`.

    Args:
        dataset: sounds and pictures.
        expert: for recipes with a sync term.
        teacher: for recipes with a distillation term.
        seed: of the initial weights, the same for all.
    """

    def __init__(self, dataset: Dataset, expert: SyncExpert, teacher: Teacher, seed: int) -> None:
        self.tasks: dict[str, JointTask[Nova96]] = {}
        for name, loss_weights in RECIPES.items():
            torch.manual_seed(seed)
            self.tasks[name] = JointTask(Nova96(), dataset, replace(CONFIG, loss_weights=loss_weights), expert, teacher)
        self._batches = TeacherBatchPool(dataset, CONFIG, seed, teacher)

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks of all recipes."""
        return {f"{k} {n}": m for k, task in enumerate(self.tasks.values()) for n, m in task.modules().items()}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimizers of all recipes."""
        return {f"{k} {n}": o for k, task in enumerate(self.tasks.values()) for n, o in task.optimizers().items()}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train all recipes on one batch."""
        batch = self._batches.draw(index, rng)
        pixels = {name: task.learn(batch, index, n_steps)["pixels"] for name, task in self.tasks.items()}
        return {"loss": float(np.sum(list(pixels.values()))), **pixels}

    def evaluate(self) -> Mapping[str, float]:
        """The measurements of each recipe."""
        return {f"{name} {key}": v for name, task in self.tasks.items() for key, v in task.evaluate().items()}

    def sample(self) -> UInt8:
        """The samples of all recipes, one below the other."""
        return np.concatenate([task.sample() for task in self.tasks.values()])


def run(arguments: argparse.Namespace) -> None:
    """Train all recipes and write `ablation.json`."""
    if parallel.n_processes() > 1:
        # From scratch, batch norm depends on the size of the share, so the result would differ (decision 0014).
        raise StudioError("The ablation runs in one process only.", "Start it without torchrun.")
    folder = RunFolder(arguments.run)
    recipes = {name: asdict(loss_weights) for name, loss_weights in RECIPES.items()}
    request = {"data": str(arguments.data), "n_steps": arguments.n_steps, "recipes": recipes, **asdict(CONFIG)}
    folder.open_request(request, arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    dataset = load_dataset(arguments.data, arguments.mouth_renderer, cache, arguments.voices, CONFIG.n_pictures)
    teacher = load_teacher(arguments.teacher)
    task = AblationTask(dataset, load_expert(arguments.expert), teacher, arguments.seed)
    plan = LoopPlan(arguments.n_steps, 25, CHECKPOINT_STEPS, evaluate_steps=250, seed=arguments.seed)
    train(task, folder, plan)
    scorer = GeneratorScorer.of_dataset(dataset, load_expert(arguments.test_expert))
    nets = {"teacher": teacher, **{name: each.average for name, each in task.tasks.items()}}
    rows = [{"name": name, **asdict(scorer.score(net, TEACHER_LOOKAHEAD_MS))} for name, net in nets.items()]
    n_pictures = CONFIG.n_clips * CONFIG.n_pictures
    budget = f"{arguments.n_steps} batches of {n_pictures} pictures each, the same for every small network"
    folder.write_text("ablation.json", json.dumps({"budget": budget, "rows": rows}, indent=1) + "\n")
    for row in rows:
        log.info("%s", {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio distil ablation`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio distil ablation", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--expert", type=Path, required=True, help="`best` folder of the sync expert for training")
    parser.add_argument(
        "--test-expert", type=Path, required=True, help="`best` folder of another sync expert, for scores"
    )
    parser.add_argument("--n-steps", type=int, default=2000)
    return carry_out(run, parser.parse_args(argv))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the commands that distil from the teacher."""
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--teacher", type=Path, required=True, help="`best` folder of `studio train teacher`")
    parser.add_argument(
        "--mouth-renderer", type=Path, required=True, help="`best` folder of `studio train mouth-renderer`"
    )
    parser.add_argument("--cache", type=Path, help="where generated pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the cache)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
