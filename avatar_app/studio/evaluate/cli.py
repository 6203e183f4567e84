"""`avatar-app studio evaluate`: measure the quality of one model, or compare several models with their teacher.

With --model: JSON of one model. With --models: a folder with index.html, report.json, its tables in Markdown as
figures.md, and videos of all models side by side.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from avatar_app.contracts.errors import OutputError
from avatar_app.live.frame import Avatar
from avatar_app.live.student import load
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio import arithmetic
from avatar_app.studio.evaluate import candidates
from avatar_app.studio.evaluate.candidates import Candidate
from avatar_app.studio.evaluate.compare import Plan, compare, read_ablation
from avatar_app.studio.evaluate.figures import markdown
from avatar_app.studio.evaluate.page import render
from avatar_app.studio.evaluate.speed import N_ROUNDS
from avatar_app.studio.metrics.held_out import load_test_data
from avatar_app.studio.metrics.student_scores import score_student
from avatar_app.studio.nets.expert import load_expert
from avatar_app.studio.nets.teacher import load_teacher

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio evaluate`."""
    arguments = build_parser().parse_args(argv)
    torch.set_num_threads(1)
    with arithmetic.using(arguments.arithmetic):
        return _write_report(arguments) if arguments.models else _print_one(arguments)


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog="avatar-app studio evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="measure one model, as JSON (default: the default model)")
    parser.add_argument("--precision", default="auto", help="precision of --model")
    parser.add_argument("--models", nargs="+", metavar="ID", help="compare these models on a page")
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="`best` folder of the teacher's run")
    parser.add_argument(
        "--expert", type=Path, metavar="DIR", help="`best` folder of a sync expert that no model was trained with"
    )
    parser.add_argument("--ablation", type=Path, metavar="FILE", help="JSON table of other runs to include")
    parser.add_argument("--data", type=Path, required=True, help="folder with nova/ and speech/")
    parser.add_argument(
        "--out", type=Path, help="JSON file (default: standard output); with --models: folder of the report"
    )
    parser.add_argument("--models-dir", type=Path, help="models folder (default: that of the program)")
    parser.add_argument("--profile-dir", type=Path, metavar="DIR", help="folder of the user's settings and models")
    # The same on all processors, so that reports can be compared.
    arithmetic.add_flag(parser, arithmetic.FP32, "; of the sync expert; engines have their own")
    quick = parser.add_argument_group("faster, less exact")
    quick.add_argument("--clips", type=int, metavar="N", help="measure only N held-out clips")
    quick.add_argument("--voices", type=int, metavar="N", help="measure only N held-out voices")
    quick.add_argument("--noises", type=int, metavar="N", help="measure only N noises, silence first")
    quick.add_argument(
        "--rounds",
        type=int,
        default=N_ROUNDS,
        metavar="N",
        help=f"rounds of the speed measurement (default: {N_ROUNDS})",
    )
    quick.add_argument("--lookaheads", type=int, nargs="+", choices=LOOKAHEADS_MS, metavar="MS",
                       help=f"measure only these of {LOOKAHEADS_MS}")  # fmt: skip
    quick.add_argument("--no-videos", action="store_true", help="write no videos")
    return parser


def _print_one(arguments: argparse.Namespace) -> int:
    user_dir = ProfilePaths(arguments.profile_dir).models_dir
    student = load(arguments.model, arguments.precision, models_dir=arguments.models_dir, user_dir=user_dir)
    student.set_face(Avatar.load(student.spec.avatar_id).face_input(student.spec.size_px))
    data = load_test_data(arguments.data, arguments.clips, arguments.voices, arguments.noises)
    expert = load_expert(arguments.expert) if arguments.expert else None
    report = score_student(student, data, arguments.lookaheads, expert, log.info)
    about = {"model": student.spec.id, "engine": student.engine.label, "arithmetic": arithmetic.in_use("cpu")}
    text = json.dumps({"schema": 1, **about, **report}, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)  # noqa: T201
    return 0


def _write_report(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out or Path("report")
    plan = Plan(
        n_rounds=max(1, arguments.rounds),
        lookaheads_ms=tuple(arguments.lookaheads) if arguments.lookaheads else None,
        has_videos=not arguments.no_videos,
        ablation=read_ablation(arguments.ablation) if arguments.ablation else None,
    )
    expert = load_expert(arguments.expert) if arguments.expert else None
    with ExitStack() as stack:
        compared = _candidates(arguments, stack)
        data = load_test_data(arguments.data, arguments.clips, arguments.voices, arguments.noises)
        try:
            out.mkdir(parents=True, exist_ok=True)
            found, pictures = compare(compared, data, expert, plan, out)
            (out / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            (out / "index.html").write_text(render(found, pictures), encoding="utf-8")
            (out / "figures.md").write_text(markdown(found), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"The report cannot be written to {out}: {reason}.", "Choose another --out.") from error
    print(out / "index.html")  # noqa: T201
    return 0


def _candidates(arguments: argparse.Namespace, stack: ExitStack) -> list[Candidate]:
    """The teacher first, then the students in the order of the command line."""
    user_dir = ProfilePaths(arguments.profile_dir).models_dir
    names = dict.fromkeys(arguments.models)
    students = [candidates.registered(name, arguments.models_dir, user_dir) for name in names]
    if arguments.teacher is None:
        return students
    net = load_teacher(arguments.teacher).wav2lip().eval()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="avatar-app-teacher-"))
    return [candidates.teacher(net, Path(folder)), *students]
