"""`avatar-app studio ...`: finds the module of a studio command, and imports only that one."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from avatar_app.contracts.errors import MissingExtraError, UserError
from avatar_app.studio.renamed import current_words
from avatar_app.studio.run_all import end_with_parent


@dataclass(frozen=True, slots=True)
class Command:
    """A studio command.

    Attributes:
        words: its name.
        module: module of its `main(argv) -> int`, which raises `UserError` for errors that the user can correct.
        text: one line of help.
        needs: packages of the studio extra that it requires.
    """

    words: tuple[str, ...]
    module: str
    text: str
    needs: tuple[str, ...] = ("torch",)


COMMANDS = (
    Command(("all",), "avatar_app.studio.run_all", "run every step from data to published models"),
    Command(("data",), "avatar_app.studio.corpus.cli", "build the training data: voices, clips, pictures", ()),
    Command(("avatar",), "avatar_app.studio.enrol.avatar", "build an avatar folder from pictures and clips", ()),
    Command(("enrol",), "avatar_app.studio.enrol.person.cli", "make an avatar of a person from a video",
            ("torch", "onnx")),
    Command(("fit-landmarks",), "avatar_app.studio.enrol.person.fit_landmarks",
            "learn to read mouth parameters from landmarks", ()),
    Command(("pose",), "avatar_app.studio.enrol.pose", "add the poses for head tracking to an avatar", ()),
    Command(("train", "speech-encoder"), "avatar_app.studio.train.speech_encoder", "train sound to parameters"),
    Command(("speak",), "avatar_app.studio.corpus.spoken", "speak training texts with synthetic voices"),
    Command(("train", "offline-speech-teacher"), "avatar_app.studio.train.offline_speech_teacher",
            "train the offline teacher of the speech encoder"),
    Command(("train", "mouth-renderer"), "avatar_app.studio.train.mouth_renderer", "train parameters to pictures"),
    Command(("train", "expert"), "avatar_app.studio.train.expert", "train a sync expert"),
    Command(("train", "teacher"), "avatar_app.studio.train.teacher", "train Wav2Lip, the large and slow teacher"),
    Command(("train", "student"), "avatar_app.studio.train.student", "train the two halves of the 28x student"),
    Command(("distil", "ablation"), "avatar_app.studio.distil.ablation", "compare the losses of distillation"),
    Command(("distil", "speech-encoder"), "avatar_app.studio.distil.speech_encoder",
            "distil the speech encoder of nova-hd through pictures"),
    Command(("distil", "student"), "avatar_app.studio.distil.student", "distil the student from the teacher"),
    Command(("publish",), "avatar_app.studio.publish.cli", "export, quantize, check and register a model",
            ("torch", "onnx")),
    Command(("unpack",), "avatar_app.studio.publish.unpack", "extract the networks of a published model",
            ("torch", "onnx")),
    Command(("import-wav2lip",), "avatar_app.studio.publish.import_wav2lip",
            "make a model from a published checkpoint", ("torch", "onnx")),
    Command(("evaluate",), "avatar_app.studio.evaluate.cli", "compare models and their teacher in a report",
            ("torch", "onnx", "jinja2")),
)  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Run the studio command that `argv` begins with; names of older versions are accepted.

    Raises:
        UserError: there is no such command.
        MissingExtraError: the studio extra is not installed.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())  # noqa: T201
        return 0
    words = current_words(argv)
    command = find(words)
    need_packages(command)
    end_with_parent()
    # The log of the window shows warnings only; a studio command reports its progress.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    rest = list(words[len(command.words) :])
    sys.argv = ["avatar-app studio " + " ".join(command.words), *rest]
    return int(importlib.import_module(command.module).main(rest) or 0)


def usage() -> str:
    """The list of commands."""
    lines = [f"  {' '.join(command.words):<24}{command.text}" for command in COMMANDS]
    return "\n".join(
        [
            "usage: avatar-app studio COMMAND [-h] ...",
            "",
            "Makes avatars and their networks.",
            "",
            *lines,
        ]
    )


def find(argv: Sequence[str]) -> Command:
    """The command that these words begin with, by its present name or an older one.

    Raises:
        UserError: there is none.
    """
    words = current_words(argv)
    for command in COMMANDS:
        if tuple(words[: len(command.words)]) == command.words:
            return command
    names = ", ".join(" ".join(command.words) for command in COMMANDS)
    raise UserError(f"There is no studio command {' '.join(argv[:2])!r}.", f"Use one of: {names}.")


def need_packages(command: Command) -> None:
    """Check the packages of a command.

    Raises:
        MissingExtraError: a package that the command needs is not installed.
    """
    missing = [name for name in command.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"`avatar-app studio {' '.join(command.words)}` needs {' and '.join(missing)}.",
            "Install the studio extra: .venv/bin/pip install -e '.[studio]'",
        )
