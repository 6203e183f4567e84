"""Runs the real program as a child process."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.handoff import Ring

REPO = Path(__file__).parents[2]
# Matters only when something is broken.
DEADLINE_S = 120


class Lines:
    """The JSON lines that a process writes, as they come; a thread of its own reads them."""

    def __init__(self, stream) -> None:
        self._stream = stream
        self._came: Ring[dict] = Ring(100_000)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for text in self._stream:
            if text.startswith("{"):
                self._came.put(json.loads(text))
        self._came.put({})

    def next(self) -> dict:
        """The next line."""
        line = self._came.take(timeout_s=DEADLINE_S)
        assert line, "the process ended, or says nothing more"
        return line

    def wait_for(self, is_so) -> dict:
        """The first line that comes from now on and for which something holds."""
        self.drop()
        t_limit_s = time.monotonic() + DEADLINE_S
        while not is_so(line := self.next()):
            assert time.monotonic() < t_limit_s, f"not seen; the last line: {line}"
        return line

    def drop(self) -> None:
        """Forget what came until now."""
        self._came.clear()

    def close(self) -> None:
        """Once the process has ended."""
        self._reader.join(DEADLINE_S)
        self._stream.close()


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
