"""Provenance of runs, models and reports."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np

from avatar_app import __version__


def commit_id() -> str:
    """The commit of the program's source; empty without git, or outside a repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    folder = Path(__file__).parent
    done = subprocess.run([git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of the program and of its dependencies for training."""
    return {
        "avatar_app": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": np.__version__,
    }


def origin(file: Path) -> dict[str, object]:
    """Provenance of a network from which another one was trained.

    Args:
        file: the JSON file beside its weights.
    """
    about = json.loads(file.read_text(encoding="utf-8"))
    return {key: about[key] for key in ("recipe", "unpacked_from") if key in about}
