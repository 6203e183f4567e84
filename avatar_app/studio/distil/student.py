"""Distils `nova-96`: the two halves of the student, put together, learn from the teacher's pictures and joins.

The pictures that belong to a sound count too: of clips the true ones, of other voices those that `train picture` draws.
The student's shorter look-aheads hear less than the teacher does, so they learn what can be known at their time.
Pictures that are right on average leave lips a little open where they should meet: a second, shorter part of the run
presses them together there (decision 0014).
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
from avatar_app.studio.data.dataset import Stage, load_stage
from avatar_app.studio.distil.ablation import W_FEATURES, add_arguments
from avatar_app.studio.distil.variance_compensation import strengthen
from avatar_app.studio.metrics.generators import GeneratorScorer
from avatar_app.studio.nets.expert import load_expert
from avatar_app.studio.nets.nova96 import Nova96
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher, load_teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import carry_out
from avatar_app.studio.train.joint import Pressures, SpeakConfig, SpeakTask
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder, origin
from avatar_app.studio.train.student import load_student, save_student

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 200
N_STRENGTH_SCENES = 6
# What was distilled draws better, what it began with hears better; their weights lie close enough to be averaged
# (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
DISTILLED_SHARE = 0.9
# The same of what pressed lips do better than those that were not, and the other way round.
PRESSED_SHARE = 0.8
# Pictures and joins, as the ablation found best. Two pictures of each sound, for a mouth must not tremble; and as many
# sounds as there is time for.
PIXELS = SpeakConfig(
    Pressures(outputs=1.0, features=W_FEATURES),
    n_takes=12,
    n_pictures=2,
    pool_lessons=8,
    steps_per_lesson=4,
    peak_rate=5e-4,
    lookaheads_ms=LOOKAHEADS_MS,
    sealed_weight=4.0,
    velocity_share=1.0,
    frozen_share=0.05,
)
CLOSINGS = replace(PIXELS, closing_share=0.1)


def train_pixels(arguments: argparse.Namespace, stage: Stage, teacher: Teacher) -> SpeakTask[Nova96]:
    """The first part, to its end."""
    folder = RunFolder(arguments.run / "pixels")
    folder.open_request(_request(arguments, PIXELS), arguments.seed)
    torch.manual_seed(arguments.seed)
    task = SpeakTask(load_student(arguments.student), stage, PIXELS, teacher=teacher, seed=arguments.seed)
    train(task, folder, _plan(arguments, arguments.n_steps))
    return task


def train_closings(arguments: argparse.Namespace, stage: Stage, teacher: Teacher) -> SpeakTask[Nova96]:
    """The second part, which goes on from the last checkpoint of the first, to its end."""
    folder = RunFolder(arguments.run / "closings")
    folder.open_request(_request(arguments, CLOSINGS, begun_at=arguments.n_steps), arguments.seed)
    folder.begin_from(RunFolder(arguments.run / "pixels"))
    torch.manual_seed(arguments.seed)
    task = SpeakTask(load_student(arguments.student), stage, CLOSINGS, teacher=teacher, seed=arguments.seed)
    train(task, folder, _plan(arguments, _n_steps_all(arguments)))
    return task


def run(arguments: argparse.Namespace) -> None:
    """Distil to the end and write `best/`."""
    cache = arguments.cache or arguments.run / "cache"
    stage = load_stage(arguments.data, arguments.picture, cache, arguments.voices, PIXELS.n_pictures)
    teacher = load_teacher(arguments.teacher)
    pixels = train_pixels(arguments, stage, teacher).average
    task = train_closings(arguments, stage, teacher)
    blend(task.average, pixels, PRESSED_SHARE)
    begun = load_student(arguments.student)
    blend(task.average, begun, DISTILLED_SHARE)
    scorer = GeneratorScorer.of_dataset(stage, load_expert(arguments.judge))
    gains = strengthen(task.average.cpu(), stage.held_out[:N_STRENGTH_SCENES], stage.rest, scorer.reader)
    task.average.to(parallel.device())
    test = {f"lookahead_{ms}": asdict(scorer.score(task.average, ms)) for ms in LOOKAHEADS_MS}
    facts: dict[str, object] = {
        "held_out": dict(task.evaluate()),
        "test": test,
        "teacher_test": asdict(scorer.score(teacher, TEACHER_LOOKAHEAD_MS)),
        "begun_test": asdict(scorer.score(begun, TEACHER_LOOKAHEAD_MS)),
        "lips_closed": {
            **{f"lookahead_{ms}": scorer.lips_closed(task.average, ms) for ms in LOOKAHEADS_MS},
            "teacher": scorer.lips_closed(teacher, TEACHER_LOOKAHEAD_MS),
            "begun": scorer.lips_closed(begun, TEACHER_LOOKAHEAD_MS),
        },
        "gain": {str(ms): gain for ms, gain in gains.items()},
        "recipe": {
            "pixels": {"n_steps": arguments.n_steps, **asdict(PIXELS)},
            "closings": {"begun_at": arguments.n_steps, "n_steps": _n_steps_all(arguments), **asdict(CLOSINGS)},
            "pressed_share": PRESSED_SHARE,
            "distilled_share": DISTILLED_SHARE,
            "student": origin(arguments.student / "nova96.json"),
            "teacher": origin(arguments.teacher / "teacher.json"),
        },
    }
    log.info("%s", facts)
    if parallel.is_chief():
        save_student(arguments.run / "best", task.average, facts)


def _request(arguments: argparse.Namespace, config: SpeakConfig, **more: int) -> dict[str, object]:
    return {"data": str(arguments.data), "n_steps": arguments.n_steps, **more, **asdict(config)}


def _n_steps_all(arguments: argparse.Namespace) -> int:
    return int(arguments.n_steps + arguments.closing_steps)


def _plan(arguments: argparse.Namespace, n_steps: int) -> LoopPlan:
    return LoopPlan(n_steps, 50, CHECKPOINT_STEPS, evaluate_steps=600, seed=arguments.seed)


@torch.no_grad()
def blend(net: nn.Module, begun: nn.Module, share: float) -> None:
    """Make a network the weighted mean of itself and of what it began as.

    Args:
        net: changed in place; its norms kept the statistics of `begun`.
        begun: the same network before.
        share: of `net`, 0..1.
    """
    before = begun.state_dict()
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.lerp_(before[name].to(value.device), 1 - share)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio distil student`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio distil student", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--student", type=Path, required=True, help="`best` folder of `studio train student`")
    parser.add_argument("--judge", type=Path, required=True, help="`best` folder of an expert, to judge with")
    parser.add_argument("--n-steps", type=int, default=2600)
    parser.add_argument("--closing-steps", type=int, default=500, help="more of them, in which lips are pressed")
    return carry_out(run, parser.parse_args(argv))
