"""Where a run, a model or a report comes from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def commit_id() -> str:
    """The commit of the program's source; empty without git, or outside a repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    folder = Path(__file__).parent
    done = subprocess.run([git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
