"""The whole recipe: which commands, in which order, make the shipped models from data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NOVA_FOLDER = "nova"


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        name: of the step, and of its run folder.
        words: what the user would type after `avatar-app studio`.
        after: steps that must be finished first.
    """

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()


def whole_recipe(data: Path, runs: Path, models_dir: Path | None) -> list[Step]:
    """All steps, in an order in which they could be typed.

    Args:
        data: folder that holds nova/ and speech/.
        runs: where each step has its run folder.
        models_dir: where models are published; where the program looks when None.
    """

    def best(name: str) -> str:
        return str(runs / name / "best")

    def run(name: str) -> tuple[str, ...]:
        return (*where, "--run", str(runs / name))

    where = ("--data", str(data))
    models = () if models_dir is None else ("--models-dir", str(models_dir))
    voices, pictures = str(runs / "cache" / "voices"), str(runs / "cache" / "pictures")
    ears, draws = ("--speech", best("speech")), ("--picture", best("picture"))
    stage = ("--voices", voices, *draws, "--cache", str(runs / "cache"))
    expert, judge = ("--expert", best("expert")), ("--judge", best("judge"))
    taught = ("--teacher", best("teacher"), *judge, *stage)
    halves = ("--teacher", best("speech"), "--voices", voices, "--pictures", pictures)
    table = str(runs / "ablation" / "ablation.json")
    return [
        Step("speech", ("train", "speech", *run("speech"), "--cache", voices)),
        Step("picture", ("train", "picture", *run("picture"), "--cache", pictures)),
        Step("student", ("train", "student", *run("student"), *halves), ("speech", "picture")),
        Step("expert", ("train", "expert", *run("expert"), *stage, "--seed", "1"), ("speech", "picture")),
        Step(
            "teacher",
            ("train", "teacher", *run("teacher"), *ears, *expert, *stage, "--pictures", pictures),
            ("expert",),
        ),
        Step("judge", ("train", "expert", *run("judge"), *stage, "--seed", "2"), ("expert",)),
        Step(
            "ears",
            ("distil", "ears", *run("ears"), *ears, *draws, "--voices", voices),
            ("speech", "picture"),
        ),
        Step(
            "distil",
            ("distil", "student", *run("distil"), "--student", best("student"), *taught),
            ("teacher", "student", "judge"),
        ),
        Step("ablation", ("distil", "ablation", *run("ablation"), *expert, *taught), ("teacher", "judge")),
        Step(
            "nova-hd",
            ("publish", "nova-hd", *where, "--speech", best("ears"), *draws, "--default", *models),
            ("ears",),
        ),
        Step("nova-96", ("publish", "nova-96", *where, "--student", best("distil"), *models), ("distil", "nova-hd")),
        Step(
            "report",
            ("evaluate", "--models", "nova-96", "nova-hd", *where, "--teacher", best("teacher"),
             "--expert", best("judge"), "--ablation", table, "--out", str(runs / "report"), *models),
            ("nova-96", "ablation"),
        ),
    ]  # fmt: skip
