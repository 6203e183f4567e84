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
        cost_s: what it took on one of two cores (AMD EPYC); its ratio to that of other steps says what is left.
    """

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    cost_s: float = 600.0


def whole_recipe(data: Path, runs: Path, models_dir: Path | None, *, is_begun: bool = False) -> list[Step]:
    """All steps, in an order in which they could be typed.

    Args:
        data: folder that holds nova/ and speech/.
        runs: where each step has its run folder.
        models_dir: where models are published; where the program looks when None.
        is_begun: whether the networks that hear and draw are taken out of the published models, not trained anew:
            `nova-hd` stays as it is then, and `nova-96` is distilled from where it stands.
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
    teacher, filmed = ("train", "teacher", *run("teacher")), ("--pictures", pictures)
    trained = [
        Step("speech", ("train", "speech", *run("speech"), "--cache", voices), cost_s=1700),
        Step("picture", ("train", "picture", *run("picture"), "--cache", pictures), cost_s=2000),
    ]
    unpacked = [
        Step("speech", ("unpack", "nova-hd", "--run", str(runs)), cost_s=10),
        Step("student", ("unpack", "nova-96", "--run", str(runs)), cost_s=10),
    ]
    halved = [Step("student", ("train", "student", *run("student"), *halves), ("speech",), cost_s=1750)]
    larger = [
        Step(
            "ears",
            ("distil", "ears", *run("ears"), *ears, *draws, "--voices", voices),
            ("speech", "picture"),
            cost_s=900,
        ),
        Step(
            "nova-hd",
            ("publish", "nova-hd", *where, "--speech", best("ears"), *draws, "--default", *models),
            ("ears",),
            cost_s=280,
        ),
    ]
    first = unpacked if is_begun else trained
    # Unpacked, both come at once.
    after_picture = "speech" if is_begun else "picture"
    # Of published models only the one that is made anew lies in a folder of one's own.
    compared = ("nova-96",) if is_begun and models_dir is not None else ("nova-96", "nova-hd")
    # Of what could begin, the first here begins: the longest chain is that of the teacher, so it comes first.
    return [
        *first,
        Step("teacher-hear", (*teacher, "--part", "hear", *ears, "--voices", voices), ("speech",), cost_s=2150),
        Step("teacher-draw", (*teacher, *filmed, "--part", "draw"), cost_s=1650),
        Step("expert", ("train", "expert", *run("expert"), *stage, "--seed", "1"), (after_picture,), cost_s=2700),
        Step(
            "teacher",
            (*teacher, *filmed, *ears, *expert, *stage),
            ("expert", "teacher-draw", "teacher-hear"),
            cost_s=850,
        ),
        *(() if is_begun else halved),
        Step("judge", ("train", "expert", *run("judge"), *stage, "--seed", "2"), ("expert",), cost_s=1200),
        Step(
            "distil",
            ("distil", "student", *run("distil"), "--student", best("student"), *taught),
            ("teacher", "student", "judge"),
            cost_s=2100,
        ),
        *(() if is_begun else larger),
        Step(
            "nova-96",
            ("publish", "nova-96", *where, "--student", best("distil"), *models),
            ("distil",) if is_begun else ("distil", "nova-hd"),
            cost_s=150,
        ),
        Step(
            "report",
            ("evaluate", "--models", *compared, *where, "--teacher", best("teacher"),
             "--expert", best("judge"), "--out", str(runs / "report"), *models),
            ("nova-96",),
            cost_s=900,
        ),
    ]  # fmt: skip
