"""The recipe: the commands that make the shipped models from data, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NOVA_FOLDER = "nova"

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        name: of the step, and of its run folder.
        words: the command line after `avatar-app studio`.
        after: steps that must be finished first.
        cost_s: duration on one of two cores (AMD EPYC); the ratio of costs gives the remaining time.
    """

    name: str
    words: Words
    after: tuple[str, ...] = ()
    cost_s: float = 600.0


def whole_recipe(data: Path, runs: Path, models_dir: Path | None, *, is_begun: bool = False) -> list[Step]:
    """All steps, each after the steps that it needs.

    Args:
        data: folder that holds nova/ and speech/.
        runs: folder of the run folders.
        models_dir: where models are published; the folder of the program when None.
        is_begun: whether speech encoder, mouth renderer and student come from the published models. `nova-hd` then
            stays as it is, and `nova-96` is distilled from its present weights.
    """
    recipe = _Recipe(data, runs, models_dir, is_begun=is_begun)
    first = recipe.unpack() if is_begun else recipe.train_first()
    # The first step that is ready starts first, so the longest chain, that of the teacher, comes first.
    return [
        *first,
        *recipe.teacher(),
        *(() if is_begun else recipe.student()),
        *recipe.distil(),
        *(() if is_begun else recipe.large_model()),
        *recipe.small_model(),
    ]


class _Recipe:
    """The steps by their parts; see `whole_recipe`."""

    def __init__(self, data: Path, runs: Path, models_dir: Path | None, *, is_begun: bool) -> None:
        self._runs, self._is_begun, self._models_dir = runs, is_begun, models_dir
        self._where: Words = ("--data", str(data))
        self._models: Words = () if models_dir is None else ("--models-dir", str(models_dir))
        self._voices: Words = ("--voices", self._in_runs("cache", "voices"))
        self._pictures: Words = ("--pictures", self._in_runs("cache", "pictures"))
        self._speech_encoder: Words = ("--speech-encoder", self._best("speech-encoder"))
        self._mouth_renderer: Words = ("--mouth-renderer", self._best("mouth-renderer"))
        self._test_expert: Words = ("--test-expert", self._best("test-expert"))
        self._dataset: Words = (*self._voices, *self._mouth_renderer, "--cache", self._in_runs("cache"))

    def unpack(self) -> list[Step]:
        """The published networks instead of new ones."""
        return [
            Step("speech-encoder", ("unpack", "nova-hd", "--run", str(self._runs)), cost_s=10),
            Step("student", ("unpack", "nova-96", "--run", str(self._runs)), cost_s=10),
        ]

    def train_first(self) -> list[Step]:
        """The networks that all others need."""
        voices, pictures = self._in_runs("cache", "voices"), self._in_runs("cache", "pictures")
        encoder = ("train", "speech-encoder", *self._run("speech-encoder"), "--cache", voices)
        renderer = ("train", "mouth-renderer", *self._run("mouth-renderer"), "--cache", pictures)
        return [Step("speech-encoder", encoder, cost_s=1700), Step("mouth-renderer", renderer, cost_s=2000)]

    def teacher(self) -> list[Step]:
        """The teacher with its parts, and the sync expert that it needs."""
        command = ("train", "teacher", *self._run("teacher"))
        encoder = (*command, "--part", "encoder", *self._speech_encoder, *self._voices)
        decoder = (*command, *self._pictures, "--part", "decoder")
        expert = ("train", "expert", *self._run("expert"), *self._dataset, "--seed", "1")
        whole = (*command, *self._pictures, *self._speech_encoder, "--expert", self._best("expert"), *self._dataset)
        # `unpack` writes both networks of nova-hd.
        renderer = "speech-encoder" if self._is_begun else "mouth-renderer"
        return [
            Step("teacher-encoder", encoder, ("speech-encoder",), cost_s=2150),
            Step("teacher-decoder", decoder, cost_s=1650),
            Step("expert", expert, (renderer,), cost_s=2700),
            Step("teacher", whole, ("expert", "teacher-decoder", "teacher-encoder"), cost_s=850),
        ]

    def student(self) -> list[Step]:
        """The initial student of the distillation."""
        teacher = ("--teacher", self._best("speech-encoder"))
        words = ("train", "student", *self._run("student"), *teacher, *self._voices, *self._pictures)
        return [Step("student", words, ("speech-encoder",), cost_s=1750)]

    def distil(self) -> list[Step]:
        """The distilled student, and a second sync expert for its scores."""
        expert = ("train", "expert", *self._run("test-expert"), *self._dataset, "--seed", "2")
        networks = ("--student", self._best("student"), "--teacher", self._best("teacher"), *self._test_expert)
        student = ("distil", "student", *self._run("distil-student"), *networks, *self._dataset)
        return [
            Step("test-expert", expert, ("expert",), cost_s=1200),
            Step("distil-student", student, ("teacher", "student", "test-expert"), cost_s=2100),
        ]

    def large_model(self) -> list[Step]:
        """`nova-hd`."""
        name = "distil-speech-encoder"
        networks = (*self._speech_encoder, *self._mouth_renderer)
        distil = ("distil", "speech-encoder", *self._run(name), *networks, *self._voices)
        best = ("--speech-encoder", self._best(name), *self._mouth_renderer)
        publish = ("publish", "nova-hd", *self._where, *best, "--default", *self._models)
        return [
            Step(name, distil, ("speech-encoder", "mouth-renderer"), cost_s=900),
            Step("nova-hd", publish, (name,), cost_s=280),
        ]

    def small_model(self) -> list[Step]:
        """`nova-96`, and the report."""
        after = ("distil-student",) if self._is_begun else ("distil-student", "nova-hd")
        publish = ("publish", "nova-96", *self._where, "--student", self._best("distil-student"), *self._models)
        # With published networks, a models folder of the user contains the new model only.
        compared = ("nova-96",) if self._is_begun and self._models_dir is not None else ("nova-96", "nova-hd")
        networks = ("--teacher", self._best("teacher"), "--expert", self._best("test-expert"))
        out = ("--out", self._in_runs("report"))
        report = ("evaluate", "--models", *compared, *self._where, *networks, *out, *self._models)
        return [Step("nova-96", publish, after, cost_s=150), Step("report", report, ("nova-96",), cost_s=900)]

    def _in_runs(self, *names: str) -> str:
        return str(self._runs.joinpath(*names))

    def _best(self, name: str) -> str:
        return self._in_runs(name, "best")

    def _run(self, name: str) -> Words:
        return (*self._where, "--run", self._in_runs(name))
