"""`avatar-app studio enrol`: an avatar of a person from a minute of video."""

from __future__ import annotations

import argparse
import datetime
import logging
import re
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolMessage, EnrolProgress, format_message
from avatar_app.contracts.errors import InputFileError, StudioError, UserError
from avatar_app.contracts.input_file import read_bytes, read_object
from avatar_app.live.frame import list_avatars
from avatar_app.settings.paths import ProfilePaths, user_path
from avatar_app.studio.enrol.person.enrol_input import LANGUAGES, QUALITIES, EnrolInput, Recording
from avatar_app.studio.enrol.person.enrolment import enrol
from avatar_app.studio.enrol.person.progress import Report
from avatar_app.studio.enrol.person.workspace import Workspace

STATEMENT = "I am the person in the recording, or have the person's permission to make and use this avatar."
MAX_TEXT_BYTES = 100_000
EXIT_USER_ERROR = 2
BAR_CHARS = 24


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio enrol`."""
    arguments = _parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        # A run that is ended removes its lock and its temporary files.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The lines of the trainings would tear the bar apart.
    logging.getLogger().setLevel(logging.WARNING)
    if arguments.progress == "json":
        return _with_json_lines(arguments)
    _print_result(_enrol(arguments, _Bar()))
    return 0


def avatar_id_of(name: str) -> str:
    """The folder name of an avatar: letters, digits and hyphens of its name.

    Raises:
        StudioError: the name has no letter and no digit.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    if not found:
        raise StudioError(f"The name {name!r} has no Latin letter and no digit.", "Choose another --name, or add --id.")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avatar-app studio enrol", description=__doc__)
    parser.add_argument(
        "--video",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="videos of one person, 10 s to 2 min in all",
    )
    parser.add_argument("--name", required=True, help="the avatar's name")
    parser.add_argument(
        "--consent", action="store_true", help="you are the person in the video, or have the person's permission"
    )
    parser.add_argument("--text", type=Path, metavar="FILE", help="what is spoken, a sentence a line")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="language of the text (en)")
    parser.add_argument("--quality", choices=QUALITIES, default="good", help="how long it learns (good)")
    parser.add_argument("--keep-background", action="store_true", help="keep the room in the picture")
    parser.add_argument(
        "--held-out", type=Path, nargs="+", default=[], metavar="FILE", help="videos used for the report only"
    )
    parser.add_argument("--id", help="folder name of the avatar (default: made from the name)")
    parser.add_argument("--profile-dir", type=Path, metavar="DIR", help="one folder for settings, avatars and models")
    parser.add_argument("--progress", choices=("bar", "json"), default="bar", help="how progress is printed (bar)")
    return parser


def _enrol(arguments: argparse.Namespace, report_to: Callable[[Report], None]) -> EnrolFinished:
    if not arguments.consent:
        raise StudioError(
            "An avatar of a person needs the person's permission.",
            "Add --consent if the video shows you, or somebody who agreed.",
        )
    profile = ProfilePaths(arguments.profile_dir)
    avatar_id = arguments.id or avatar_id_of(arguments.name)
    workspace = Workspace(profile.enrolments_dir / avatar_id)
    _check_free(avatar_id, workspace, profile)
    wanted = EnrolInput(
        name=arguments.name,
        videos=tuple(map(Recording.of, arguments.video)),
        held_out=tuple(map(Recording.of, arguments.held_out)),
        text=_text(arguments.text),
        language=arguments.language,
        consent=Consent(arguments.name, STATEMENT, datetime.date.today().isoformat()),
        quality=arguments.quality,
        keep_background=arguments.keep_background,
    )
    return enrol(workspace, wanted, profile, report_to)


def _check_free(avatar_id: str, workspace: Workspace, profile: ProfilePaths) -> None:
    """Make sure that no other avatar has this id.

    Raises:
        StudioError: one has.
    """
    is_continued = workspace.input() is not None
    if not is_continued and avatar_id in [folder.name for folder in list_avatars(user_dir=profile.avatars_dir)]:
        raise StudioError(
            f"There is already an avatar named {avatar_id}.", "Choose another --name, or delete it first."
        )


def _text(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return read_bytes(user_path(file), MAX_TEXT_BYTES).decode("utf-8")
    except (InputFileError, UnicodeDecodeError) as error:
        raise StudioError(
            f"The text {file} cannot be read: {error}.", "Save it as UTF-8, a sentence a line."
        ) from error


def _with_json_lines(arguments: argparse.Namespace) -> int:
    try:
        _print_message(_enrol(arguments, lambda report: _print_message(_message(report))))
    except UserError as error:
        _print_message(EnrolFailure(error.what, error.what_to_do))
        return EXIT_USER_ERROR
    return 0


def _print_message(message: EnrolMessage) -> None:
    print(format_message(message), flush=True)  # noqa: T201


def _print_result(finished: EnrolFinished) -> None:
    report = read_object(Path(finished.report))
    lines = [
        "",
        *report["sentences"],
        f"Compare the avatar with the recording: {finished.comparison}",
        f"Choose {finished.avatar_id} in the window, or start with --avatar {finished.avatar_id}.",
    ]
    print("\n".join(lines))  # noqa: T201


def _message(report: Report) -> EnrolProgress:
    preview = "" if report.preview is None else str(report.preview)
    return EnrolProgress(report.step.name, report.step.title, report.done_in_all, report.eta_s, preview)


class _Bar:
    """Draws the progress on a terminal; elsewhere, prints a line for each finished step."""

    def __init__(self) -> None:
        self._n_printed = 0

    def __call__(self, report: Report) -> None:
        filled = round(BAR_CHARS * report.done)
        minutes, seconds = divmod(round(report.eta_s), 60)
        line = (
            f"{report.number} of {report.n_steps}  {report.step.title:<24} {'█' * filled}{'░' * (BAR_CHARS - filled)}"
            f" {100 * report.done:3.0f} %   {minutes}:{seconds:02d} left"
        )
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[2K" + line)
            sys.stderr.flush()
        elif report.done >= 1 and report.number > self._n_printed:
            self._n_printed = report.number
            print(line, file=sys.stderr)  # noqa: T201
