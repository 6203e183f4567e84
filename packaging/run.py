#!/usr/bin/env python3
"""Sets everything up the first time, then opens the app: `python3 packaging/run.py [any avatar-app arguments]`.

Where the machine has no screen, the built-in speech sample is rendered to a video file instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from environment import PYTHON, REPO, RUN, make_ready, replace_process

SUBCOMMANDS = ("render", "bench", "doctor", "webcam", "studio", "--version", "--help", "-h")
DEMO_VIDEO = "avatar-demo.mp4"


def has_screen(variables: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a window can open here."""
    if not platform.startswith("linux"):
        return True
    return any(variables.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def wants_window(arguments: Sequence[str]) -> bool:
    """Whether these arguments of `avatar-app` open the window."""
    return not any(argument in SUBCOMMANDS for argument in arguments)


def demo_arguments() -> list[str]:
    """Arguments that render the built-in speech sample into the current folder."""
    sample = REPO / "assets" / "sounds" / "demo.flac"
    return ["render", "--audio", str(sample), "--out", str(Path.cwd() / DEMO_VIDEO)]


def main() -> int:
    """Set up, then start the app."""
    from setup_steps import SetupError

    arguments = sys.argv[1:]
    try:
        make_ready(RUN)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next start continues the set-up.", file=sys.stderr)
        return 130
    if wants_window(arguments) and not has_screen():
        print(f"There is no screen here, so the built-in speech sample becomes a video: {DEMO_VIDEO}.")
        print("To open the window, start this on a desktop, or through `ssh -X`, or under `xvfb-run -a`.", flush=True)
        arguments = demo_arguments()
    replace_process([str(PYTHON), "-m", "avatar_app", *arguments])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
