"""The ledger of `studio all`: which steps are finished, and how long each has taken."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import StudioError
from avatar_app.studio.recipe import Step
from avatar_app.studio.renamed import current_path, current_step, current_words

STEPS_FILE = "steps.json"


class Ledger:
    """Finished steps and durations, over all runs of the command; stored in `steps.json`.

    Args:
        runs: folder of the file.

    Raises:
        StudioError: the file cannot be read or written.
    """

    def __init__(self, runs: Path) -> None:
        self._runs, self._file = runs.resolve(), runs / STEPS_FILE
        self._commands: dict[str, str] = {}
        self.finished: set[str] = set()
        self.took_s: defaultdict[str, float] = defaultdict(float)
        self.clock_s = 0.0
        self._t_saved_s = time.monotonic()
        if self._file.exists():
            self._read()

    def begin(self, step: Step) -> None:
        """Add a step, or check that the stored one has the same command.

        Raises:
            StudioError: the stored step had another command, of other data or of another recipe.
        """
        # A placeholder, because the folder may be moved.
        command = _current_command(" ".join(step.words).replace(str(self._runs), "RUN"))
        before = self._commands.setdefault(step.name, command)
        if before != command:
            raise StudioError(
                f"The step {step.name} of this run was another command: avatar-app studio {before}.",
                "Use the same arguments as before, or choose another folder with --run.",
            )

    def save(self, running: Iterable[str], finished: str | None = None) -> None:
        """Add the time since the last call to the running steps, mark a step as finished, and write the file."""
        now_s = time.monotonic()
        passed_s, self._t_saved_s = now_s - self._t_saved_s, now_s
        self.clock_s += passed_s
        for name in running:
            self.took_s[name] += passed_s
        if finished is not None:
            self.finished.add(finished)
        steps = {
            name: {"took_s": round(s, 1), "is_finished": name in self.finished, "command": self._commands[name]}
            for name, s in self.took_s.items()
        }
        text = json.dumps({"clock_s": round(self.clock_s, 1), "steps": steps}, indent=1) + "\n"
        try:
            write_text(self._file, text)
        except OSError as error:
            raise StudioError(
                f"The file {self._file} cannot be written: {error}.",
                "Free some space, then give the same command again.",
            ) from error

    def _read(self) -> None:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            self.clock_s = float(kept["clock_s"])
            steps = {current_step(str(name)): step for name, step in kept["steps"].items()}
            self.took_s.update({name: float(step["took_s"]) for name, step in steps.items()})
            self._commands = {name: _current_command(str(step["command"])) for name, step in steps.items()}
            self.finished = {name for name, step in steps.items() if step["is_finished"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StudioError(
                f"The file {self._file} cannot be read: {error}.", "Delete it; steps continue from their checkpoints."
            ) from error


def _current_command(command: str) -> str:
    """A stored command in the present names."""
    return current_path(" ".join(current_words(command.split(" "))))
