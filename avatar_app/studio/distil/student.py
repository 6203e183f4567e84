"""Distils `nova-96`: the assembled student is trained on the teacher's pictures and decoder features.

The ground-truth pictures are targets too; for voices without a clip, the mouth renderer generates them. A shorter
look-ahead than the teacher's cannot predict all of its output. The mean of uncertain pictures leaves lips slightly open
where they should close, so a second, shorter part of the run adds a loss on the lip gap there (decision 0014).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.dataset import Dataset, load_dataset
from avatar_app.studio.distil.ablation import W_FEATURES, add_arguments
from avatar_app.studio.distil.variance_compensation import compensate_variance
from avatar_app.studio.metrics.generators import GeneratorScorer
from avatar_app.studio.nets.expert import load_expert
from avatar_app.studio.nets.nova96 import Nova96, load_student, save_student
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher, load_teacher
from avatar_app.studio.provenance import origin
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import carry_out
from avatar_app.studio.train.joint import JointTask
from avatar_app.studio.train.joint_config import JointConfig, LossWeights
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 200
N_CALIBRATION_CLIPS = 6
# The distilled student has the better pictures, the initial one the better sync. Averaging their weights combines both
# (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
DISTILLED_SHARE = 0.9
# The same for the students after and before the second part.
CLOSINGS_SHARE = 0.8
# Outputs and features, as the ablation found best. Two pictures of each segment penalize jitter, and leave time for
# many segments.
PIXELS = JointConfig(
    LossWeights(teacher_outputs=1.0, features=W_FEATURES),
    n_clips=12,
    n_pictures=2,
    pool_batches=8,
    steps_per_batch=4,
    peak_rate=5e-4,
    lookaheads_ms=LOOKAHEADS_MS,
    sealed_weight=4.0,
    velocity_weight=1.0,
    frozen_share=0.05,
)
CLOSINGS = replace(PIXELS, closing_weight=0.1)


def train_pixels(arguments: argparse.Namespace, dataset: Dataset, teacher: Teacher) -> JointTask[Nova96]:
    """Train the first part to its end."""
    folder = RunFolder(arguments.run / "pixels")
    folder.open_request(_request(arguments, PIXELS), arguments.seed)
    torch.manual_seed(arguments.seed)
    task = JointTask(load_student(arguments.student), dataset, PIXELS, teacher=teacher, seed=arguments.seed)
    train(task, folder, _plan(arguments, arguments.n_steps))
    return task


def train_closings(arguments: argparse.Namespace, dataset: Dataset, teacher: Teacher) -> JointTask[Nova96]:
    """Train the second part, from the last checkpoint of the first, to its end."""
    folder = RunFolder(arguments.run / "closings")
    folder.open_request(_request(arguments, CLOSINGS, first_step=arguments.n_steps), arguments.seed)
    folder.begin_from(RunFolder(arguments.run / "pixels"))
    torch.manual_seed(arguments.seed)
    task = JointTask(load_student(arguments.student), dataset, CLOSINGS, teacher=teacher, seed=arguments.seed)
    train(task, folder, _plan(arguments, _n_steps_all(arguments)))
    return task


def run(arguments: argparse.Namespace) -> None:
    """Distil to the end and write `best/`."""
    cache = arguments.cache or arguments.run / "cache"
    dataset = load_dataset(arguments.data, arguments.mouth_renderer, cache, arguments.voices, PIXELS.n_pictures)
    teacher = load_teacher(arguments.teacher)
    pixels = train_pixels(arguments, dataset, teacher).average
    task = train_closings(arguments, dataset, teacher)
    blend(task.average, pixels, CLOSINGS_SHARE)
    initial = load_student(arguments.student)
    blend(task.average, initial, DISTILLED_SHARE)
    scorer = GeneratorScorer.of_dataset(dataset, load_expert(arguments.test_expert))
    clips = dataset.held_out[:N_CALIBRATION_CLIPS]
    gains = compensate_variance(task.average.cpu(), clips, dataset.rest, scorer.reader)
    task.average.to(parallel.device())
    facts: dict[str, object] = {
        "held_out": dict(task.evaluate()),
        **_scores(scorer, task.average, teacher, initial),
        "gain": {str(ms): gain for ms, gain in gains.items()},
        "recipe": _recipe(arguments),
    }
    log.info("%s", facts)
    if parallel.is_chief():
        save_student(arguments.run / "best", task.average, facts)


def _scores(scorer: GeneratorScorer, student: Nova96, teacher: Teacher, initial: Nova96) -> dict[str, object]:
    """Scores of the student at all look-aheads, and of the teacher and the initial student at the teacher's."""
    return {
        "test": {f"lookahead_{ms}": asdict(scorer.score(student, ms)) for ms in LOOKAHEADS_MS},
        "teacher_test": asdict(scorer.score(teacher, TEACHER_LOOKAHEAD_MS)),
        "initial_test": asdict(scorer.score(initial, TEACHER_LOOKAHEAD_MS)),
        "lips_closed": {
            **{f"lookahead_{ms}": scorer.lips_closed(student, ms) for ms in LOOKAHEADS_MS},
            "teacher": scorer.lips_closed(teacher, TEACHER_LOOKAHEAD_MS),
            "initial": scorer.lips_closed(initial, TEACHER_LOOKAHEAD_MS),
        },
    }


def _recipe(arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "pixels": {"n_steps": arguments.n_steps, **asdict(PIXELS)},
        "closings": {"first_step": arguments.n_steps, "n_steps": _n_steps_all(arguments), **asdict(CLOSINGS)},
        "closings_share": CLOSINGS_SHARE,
        "distilled_share": DISTILLED_SHARE,
        "student": origin(arguments.student / "nova96.json"),
        "teacher": origin(arguments.teacher / "teacher.json"),
    }


def _request(arguments: argparse.Namespace, config: JointConfig, **more: int) -> dict[str, object]:
    return {"data": str(arguments.data), "n_steps": arguments.n_steps, **more, **asdict(config)}


def _n_steps_all(arguments: argparse.Namespace) -> int:
    return int(arguments.n_steps + arguments.closing_steps)


def _plan(arguments: argparse.Namespace, n_steps: int) -> LoopPlan:
    return LoopPlan(n_steps, 50, CHECKPOINT_STEPS, evaluate_steps=600, seed=arguments.seed)


@torch.no_grad()
def blend(net: nn.Module, initial: nn.Module, share: float) -> None:
    """Average the weights of a network with those before training.

    Args:
        net: changed in place; its norms have the statistics of `initial`.
        initial: the network before training.
        share: weight of `net`, 0..1.
    """
    before = initial.state_dict()
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.lerp_(before[name].to(value.device), 1 - share)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio distil student`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio distil student", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--student", type=Path, required=True, help="`best` folder of `studio train student`")
    parser.add_argument("--test-expert", type=Path, required=True, help="`best` folder of a sync expert for scores")
    parser.add_argument("--n-steps", type=int, default=2600)
    parser.add_argument(
        "--closing-steps", type=int, default=500, help="steps of the second part, with the loss on the lip gap"
    )
    return carry_out(run, parser.parse_args(argv))
