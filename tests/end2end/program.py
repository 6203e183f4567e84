"""Runs the real program as a child process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def log(self) -> list[dict]:
        """Its JSON log."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def messages(self) -> str:
        return "\n".join(line["message"] for line in self.log)


def environment(**changes: str) -> dict[str, str]:
    """The machine's, without a screen."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**kept, "QT_QPA_PLATFORM": "offscreen", **changes}


def start(*words: object, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "avatar_app", *map(str, words)],
        cwd=REPO,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: object, timeout_s: float = 120, **variables: str) -> Ended:
    child = start(*words, **variables)
    out, err = child.communicate(timeout=timeout_s)
    return Ended(child.returncode, out, err)


def copied_home(folder: Path) -> Path:
    """A copy of assets and models that a test may damage."""
    for name in ("assets", "models"):
        shutil.copytree(REPO / name, folder / name)
    return folder
