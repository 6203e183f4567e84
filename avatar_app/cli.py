"""The command line: `avatar-app` opens the window, or runs a command: `render`, `bench`, `doctor`, ..., `studio`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from avatar_app import __version__
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.logs import install_excepthooks, print_message, start_logging
from avatar_app.settings import profiles, store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import LOOKAHEADS_MS, PRECISIONS, Settings

log = logging.getLogger(__name__)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
# The settings of --safe-mode: they work on every machine.
SAFE = Settings(engine="onnxruntime-cpu", precision="fp32")
SETTING_FLAGS = ("avatar", "model", "precision", "engine", "fps", "lookahead_ms", "mic")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 on success, 1 if a check failed, 2 on an error that the user can fix, 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    # `studio` parses its own arguments: argparse would parse a leading flag (`studio --help`) here.
    n_own = 1 if given[:1] == ["studio"] else len(given)
    arguments = build_parser().parse_args(given[:n_own], argparse.Namespace(studio_argv=given[n_own:]))
    start_logging(getattr(arguments, "json_log", False))
    install_excepthooks()
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except UserError as error:
        print_message(str(error), logging.ERROR)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print_message("Stopped.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has ended; Python must not flush it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USER_ERROR


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Common flags may stand before or after the command."""
    common = _common_flags()
    parser = argparse.ArgumentParser(
        prog="avatar-app",
        description="A photoreal avatar that speaks with you, live. Without a command, opens the window.",
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"avatar-app {__version__}")
    parser.add_argument("--duration", type=_positive_s, metavar="S", help="quit after S seconds")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="save a picture of the window at the end")
    outputs = parser.add_argument_group("outputs", "named as in OBS; for this start")
    outputs.add_argument("--startvirtualcam", action="store_true", help="turn the virtual camera on")
    outputs.add_argument("--startrecording", action="store_true", help="record from the start")
    outputs.add_argument("--minimize-to-tray", action="store_true", help="hide the window in the system tray")
    outputs.add_argument("--profile", metavar="NAME", help="use the settings of a profile or preset")
    outputs.add_argument("--safe-mode", action="store_true", help="use the default settings, with all outputs off")
    parser.set_defaults(run=_run_window)
    commands = parser.add_subparsers(title="commands", metavar="render | avatars | bench | doctor | webcam | studio")
    _add_render(commands, common)
    _add_avatars(commands, common)
    _add_bench(commands, common)
    _add_doctor(commands, common)
    _add_webcam(commands, common)
    _add_studio(commands)
    return parser


def _common_flags() -> argparse.ArgumentParser:
    """Flags of every command but `studio`. The namespace lacks a flag that is not given: the saved setting applies."""
    flags = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = flags.add_argument_group("settings", "override the saved settings, for this run")
    group.add_argument("--avatar", metavar="ID", help="the avatar")
    group.add_argument("--model", metavar="ID", help="the model that generates the mouth")
    group.add_argument("--precision", metavar="|".join(PRECISIONS), help="arithmetic of the model")
    group.add_argument("--engine", metavar="NAME", help="inference engine, auto for the fastest measured one")
    group.add_argument("--fps", type=int, metavar="25|30|50|60", help="pictures per second")
    group.add_argument("--lookahead-ms", type=int, metavar="|".join(map(str, LOOKAHEADS_MS)),
                       help="0 has the least delay, 160 the most accurate lips (nova-96: 80)")  # fmt: skip
    group.add_argument("--mic", metavar="NAME|file:PATH|demo", help="the microphone, or a file in its place")
    group.add_argument("--camera", metavar="NAME|file:PATH|off", help="the webcam that the head follows")
    group.add_argument(
        "--profile-dir", type=Path, metavar="DIR", help="one folder for settings, models, caches and logs"
    )
    group.add_argument("--json-log", action="store_true", help="log as JSON lines on stderr")
    return flags


def _add_render(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "render", parents=[common], help="make a video of the avatar from a sound file",
        description="Make a video of the avatar from a sound file; picture k shows the mouth at k/fps seconds.",
    )  # fmt: skip
    parser.add_argument(
        "--audio", type=Path, required=True, metavar="IN", help="any sound or video file that FFmpeg reads"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT.mp4",
        help="the video to write: .mp4, .mkv, or with transparency .mov (ProRes 4444), .webm (VP9)",
    )
    parser.add_argument("--background", metavar="COLOUR|PICTURE|transparent", help="#rrggbb or a picture file")
    parser.add_argument("--crf", type=int, default=18, metavar="N", help="quality, 0 best to 51, of .webm 63 (18)")
    parser.set_defaults(run=_run_render)


def _add_avatars(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    parser = commands.add_parser(
        "avatars", help="list, rename, delete, export or import your own avatars",
        description="Your own avatars. `delete` also deletes the models and the recording of an avatar; `export` writes"
        " an avatar and its models to one file, without the recording, which `import` reads on any machine.",
    )  # fmt: skip
    what = parser.add_subparsers(dest="what", required=True, metavar="list | rename | delete | export | import")
    what.add_parser("list", parents=[common], help="list your avatars")
    rename = what.add_parser("rename", parents=[common], help="change the name that the window shows")
    rename.add_argument("id", metavar="ID")
    rename.add_argument("title", metavar="TITLE")
    delete = what.add_parser("delete", parents=[common], help="delete an avatar, its models and its recording")
    delete.add_argument("id", metavar="ID")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    export = what.add_parser("export", parents=[common], help="write an avatar to a file")
    export.add_argument("id", metavar="ID")
    export.add_argument("file", type=Path, metavar="FILE", help="a file that ends with .avatar, or a folder")
    what.add_parser("import", parents=[common], help="add the avatar of a file").add_argument(
        "file", type=Path, metavar="FILE"
    )
    parser.set_defaults(run=_run_avatars)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "bench", parents=[common], help="measure speed, latency and pacing on this machine",
        description="Measure speed, latency, pacing and memory on this machine.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--only", metavar="SECTION[,SECTION]", help="measure some sections only")
    parser.add_argument("--duration", type=_positive_s, metavar="S", help="length of each live measurement (60)")
    parser.add_argument(
        "--soak", type=_positive_s, metavar="MIN", help="soak test: run all parts together for MIN minutes"
    )
    parser.set_defaults(run=_run_bench)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "doctor", parents=[common], help="check this machine",
        description="Check this machine; every failed line says what to do. Exit code 1 if the program cannot work.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run_doctor)


def _add_webcam(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "webcam", parents=[common], help="install the face tracker, or list the webcams",
        description="`setup` downloads the face tracker (40 MB) once; `list` lists the webcams.",
    )  # fmt: skip
    parser.add_argument("what", choices=("setup", "list"))
    parser.set_defaults(run=_run_webcam)


def _add_studio(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("studio", add_help=False, help="make avatars and models (needs the studio extra)")
    parser.set_defaults(run=_run_studio)


def _run_window(arguments: argparse.Namespace) -> int:
    _need_screen()
    from avatar_app import app

    notices = NoticeBoard(_log_notice)
    saved, settings, paths = _settings(arguments, notices)
    return app.run(
        settings,
        paths,
        saved=saved,
        notices=notices,
        options=app.StartOptions(
            with_recording=arguments.startrecording,
            in_tray=arguments.minimize_to_tray,
            duration_s=arguments.duration,
            screenshot=arguments.screenshot,
        ),
    )


def _run_render(arguments: argparse.Namespace) -> int:
    from avatar_app import render

    _, settings, paths = _settings(arguments, NoticeBoard(_print_notice))
    job = render.RenderJob(
        arguments.audio,
        arguments.out,
        settings,
        paths,
        background=arguments.background,
        crf=arguments.crf,
        lookahead_ms=getattr(arguments, "lookahead_ms", None),
    )
    return render.run(job)


def _run_avatars(arguments: argparse.Namespace) -> int:
    from avatar_app import avatars

    return avatars.run(arguments, ProfilePaths(getattr(arguments, "profile_dir", None)))


def _run_bench(arguments: argparse.Namespace) -> int:
    from avatar_app import bench

    _, settings, paths = _settings(arguments, NoticeBoard(_print_notice))
    options = bench.Options(
        is_quick=arguments.quick,
        sections=bench.parse_sections(arguments.only),
        live_s=arguments.duration,
        soak_min=arguments.soak,
    )
    return bench.run(settings, paths, options, is_json=arguments.json)


def _run_doctor(arguments: argparse.Namespace) -> int:
    from avatar_app import doctor

    notices = NoticeBoard()
    _, settings, paths = _settings(arguments, notices)
    return doctor.run(settings, paths, notices, is_json=arguments.json)


def _run_webcam(arguments: argparse.Namespace) -> int:
    from avatar_app.live.webcam import setup

    return setup.run(arguments.what)


def _run_studio(arguments: argparse.Namespace) -> int:
    from avatar_app.studio import cli

    return cli.main(arguments.studio_argv)


def _settings(arguments: argparse.Namespace, notices: NoticeBoard) -> tuple[Settings, Settings, ProfilePaths]:
    """The saved settings, the settings of this start, and the user's folders."""
    paths = ProfilePaths(getattr(arguments, "profile_dir", None))
    changes = {name: getattr(arguments, name) for name in SETTING_FLAGS if hasattr(arguments, name)}
    changes |= _camera_changes(getattr(arguments, "camera", None))
    saved = store.load(paths, notices)
    base = _for_this_start(arguments, saved, paths, notices)
    if changes.get("avatar", base.avatar) != base.avatar:
        # The saved model is of another avatar.
        changes.setdefault("model", "")
    return saved, base.replace(**changes), paths


def _camera_changes(camera: str | None) -> dict[str, object]:
    """Settings of `--camera`: a name also turns the webcam on, and `off` keeps the saved name."""
    if camera is None:
        return {}
    return {"is_following": False} if camera == "off" else {"is_following": True, "webcam": camera}


def _for_this_start(
    arguments: argparse.Namespace, saved: Settings, paths: ProfilePaths, notices: NoticeBoard
) -> Settings:
    """The saved settings, those of a profile, or those of --safe-mode; the file does not change."""
    if getattr(arguments, "safe_mode", False):
        return SAFE
    name = getattr(arguments, "profile", None)
    own = profiles.own(paths, saved, notices)
    settings = profiles.load(paths, name, own, notices) if name else saved
    return settings.replace(is_camera_on=True) if getattr(arguments, "startvirtualcam", False) else settings


def _log_notice(notice: Notice) -> None:
    log.info("notice %s (%s): %s %s", notice.key, notice.level.value, notice.text, notice.what_to_do)


def _print_notice(notice: Notice) -> None:
    print_message(f"{notice.text} {notice.what_to_do}".rstrip())


def _positive_s(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return seconds


def _need_screen() -> None:
    """Check for a screen, because Qt ends the process without one."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in names):
        raise UserError(
            "There is no screen to open the window on.",
            "Start it on a desktop or under `xvfb-run -a`, or make a video: avatar-app render --audio IN --out OUT.mp4",
        )
