"""A camera session, a command and services for tests of the wizard."""

import sys
import textwrap

import numpy as np

from avatar_app.contracts.clock import ManualClock
from avatar_app.gui.enrol.services import Services
from avatar_app.live.enrol import SentenceResult, SessionStatus
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.settings.paths import assets_dir
from avatar_app.settings.schema import Settings

MS = 1_000_000
# Prints what it was asked for into a file, then the messages that the test wrote.
COMMAND = textwrap.dedent(
    """
    import json, os, pathlib, sys, time
    folder = pathlib.Path(sys.argv[1])
    with open(folder / "arguments.txt", "a", encoding="utf-8") as file:
        file.write(json.dumps(sys.argv[2:]) + "\\n")
    for line in (folder / "lines.txt").read_text(encoding="utf-8").splitlines():
        if line == "wait":
            while not (folder / "go").exists():
                time.sleep(0.01)
        elif line == "crash":
            os._exit(3)
        elif line == "nice":
            (folder / "nice.txt").write_text(str(os.nice(0)))
        else:
            print(line, flush=True)
    """
)


class FakeCommand:
    """A command in place of `avatar-app`, which prints the lines that a test writes."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "command.py").write_text(COMMAND, encoding="utf-8")
        self.command = (sys.executable, str(folder / "command.py"), str(folder))

    def set_lines(self, *lines):
        (self.folder / "lines.txt").write_text("\n".join(lines), encoding="utf-8")

    def let_go(self):
        (self.folder / "go").touch()

    @property
    def calls(self):
        """The arguments of each start."""
        import json

        file = self.folder / "arguments.txt"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


class FakeSession:
    """A camera and microphone whose sentences succeed, or end as the test says."""

    def __init__(self):
        self.has_camera = self.has_mic = True
        self.problem = self.advice = ""
        self.level_db = -20.0
        # Results of the next sentences: "" is good, a text is a problem, None is no file.
        self.outcomes = []
        self.is_open = False
        self.begun = []
        self.n_cancelled = 0
        self.results = []

    def start(self):
        self.is_open = True

    def stop(self):
        self.is_open = False

    def begin(self, file, *, is_silent=False):
        self.begun.append((file, is_silent))

    def end(self):
        outcome = self.outcomes.pop(0) if self.outcomes else ""
        file = self.begun[-1][0]
        if outcome is None:
            self.results.append(SentenceResult(None, "The disk is full.", "Free some space."))
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"video")
        self.results.append(SentenceResult(file, outcome))

    def cancel(self):
        self.n_cancelled += 1

    def take_result(self):
        return self.results.pop(0) if self.results else None

    def preview(self):
        return CameraFrame(1, 1, np.full((72, 128, 3), 90, np.uint8)) if self.has_camera else None

    def status(self):
        return SessionStatus(
            self.has_camera, self.has_mic, "Fake", self.level_db, -10.0, self.problem, self.advice, is_checked=True
        )


class Wish:
    """Services whose answers a test sets."""

    def __init__(self, paths):
        self.paths = paths
        self.session = FakeSession()
        self.clock = ManualClock(1_000 * MS)
        self.missing, self.video, self.agrees = "", None, True
        self.live = []
        self.services = Services(
            paths,
            assets_dir(),
            lambda: Settings(),
            lambda settings: self.session,
            lambda: self.missing,
            lambda: self.video,
            lambda name: self.agrees,
            self.live.append,
            self.clock,
        )
