"""`avatar-app studio ...`: finds the module of each studio command, and imports nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from avatar_app.contracts.errors import MissingExtraError, UserError
from avatar_app.studio.run_all import end_with_parent


@dataclass(frozen=True, slots=True)
class Command:
    """A studio command.

    Attributes:
        words: what the user types.
        module: where its `main(argv) -> int` lives; what the user can put right it raises as `UserError`.
        text: one line of help.
        needs: packages of the studio extra that it cannot do without.
    """

    words: tuple[str, ...]
    module: str
    text: str
    needs: tuple[str, ...] = ("torch",)


COMMANDS = (
    Command(("all",), "avatar_app.studio.run_all", "every step from data to published models"),
    Command(("data",), "avatar_app.studio.corpus.cli", "build the training data: voices, clips, pictures", ()),
    Command(("avatar",), "avatar_app.studio.enrol.avatar", "build an avatar folder from pictures or video", ()),
    Command(("pose",), "avatar_app.studio.enrol.pose", "build the assets with which an avatar's head turns", ()),
    Command(("train", "speech"), "avatar_app.studio.train.speech_encoder", "what a sound means for the lips"),
    Command(("train", "picture"), "avatar_app.studio.train.mouth_renderer", "what the lips look like"),
    Command(("train", "expert"), "avatar_app.studio.train.expert", "a judge of whether sound and lips belong together"),
    Command(("train", "teacher"), "avatar_app.studio.train.teacher", "Wav2Lip: hears and draws, large and slow"),
    Command(("train", "student"), "avatar_app.studio.train.student", "the halves of a network 28 times smaller"),
    Command(("distil", "ablation"), "avatar_app.studio.distil.ablation", "which pressure makes the best student"),
    Command(("distil", "ears"), "avatar_app.studio.distil.speech_encoder", "the ears of nova-hd learn from pictures"),
    Command(("distil", "student"), "avatar_app.studio.distil.student", "the student learns from the teacher"),
    Command(("publish",), "avatar_app.studio.publish.cli", "export, quantize, check and register a model",
            ("torch", "onnx")),
    Command(("unpack",), "avatar_app.studio.publish.unpack", "take the networks out of a published model",
            ("torch", "onnx")),
    Command(("import-wav2lip",), "avatar_app.studio.publish.import_wav2lip",
            "make a model of a published checkpoint that you have", ("torch", "onnx")),
    Command(("evaluate",), "avatar_app.studio.evaluate.cli", "compare models and their teacher on one page",
            ("torch", "onnx", "jinja2")),
)  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Run the studio command that `argv` begins with.

    Raises:
        UserError: there is no such command.
        MissingExtraError: the studio extra is not installed.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())  # noqa: T201
        return 0
    command = find(argv)
    need_packages(command)
    end_with_parent()
    # A terminal of its own: the window's shows warnings only, here progress is what the user waits for.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    rest = list(argv[len(command.words) :])
    sys.argv = ["avatar-app studio " + " ".join(command.words), *rest]
    return int(importlib.import_module(command.module).main(rest) or 0)


def usage() -> str:
    """The list of commands."""
    lines = [f"  {' '.join(command.words):<16}{command.text}" for command in COMMANDS]
    return "\n".join(
        [
            "usage: avatar-app studio COMMAND [-h] ...",
            "",
            "Makes avatars and the small fast network behind them.",
            "",
            *lines,
        ]
    )


def find(argv: Sequence[str]) -> Command:
    """The command that these words begin with.

    Raises:
        UserError: there is none.
    """
    for command in COMMANDS:
        if tuple(argv[: len(command.words)]) == command.words:
            return command
    names = ", ".join(" ".join(command.words) for command in COMMANDS)
    raise UserError(f"There is no studio command {' '.join(argv[:2])!r}.", f"Use one of: {names}.")


def need_packages(command: Command) -> None:
    """Say which extra to install before a long traceback does not.

    Raises:
        MissingExtraError: a package that the command needs is not installed.
    """
    missing = [name for name in command.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"`avatar-app studio {' '.join(command.words)}` needs {' and '.join(missing)}.",
            "Install the studio extra: .venv/bin/pip install -e '.[studio]'",
        )
