"""`avatar-app studio all`: every step from data to published models, two at a time, continued after a kill.

Each step is a command that a user can run alone, and runs as a process of its own: what it took in memory is free
again when it ends. Steps continue from their own checkpoints; here is only written down which ones are finished, and
how long each took.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.recipe import NOVA_FOLDER, Step, whole_recipe

log = logging.getLogger(__name__)

STEPS_FILE = "steps.json"
# A kill loses no more than this of the times.
NOTE_EVERY_S = 60.0
# A step that finds this watches over the process of that number, and ends when that does.
PARENT_VARIABLE = "AVATAR_APP_STUDIO_PARENT"


class Ledger:
    """Which steps are finished, and how long everything took: in steps under way too, and over all sittings.

    Args:
        runs: where it is kept.

    Raises:
        StudioError: what is kept cannot be read, or written.
    """

    def __init__(self, runs: Path) -> None:
        self._runs, self._file = runs.resolve(), runs / STEPS_FILE
        self._commands: dict[str, str] = {}
        self.finished: set[str] = set()
        self.took_s: defaultdict[str, float] = defaultdict(float)
        self.clock_s = 0.0
        self._t_noted_s = time.monotonic()
        if self._file.exists():
            self._read()

    def begin(self, step: Step) -> None:
        """Take a step in, or see that it is the one that is kept.

        Raises:
            StudioError: what is kept under its name was another command, of other data or of another recipe.
        """
        # The folder may be moved.
        command = " ".join(step.words).replace(str(self._runs), "RUN")
        before = self._commands.setdefault(step.name, command)
        if before != command:
            raise StudioError(
                f"The step {step.name} of this run was another command: avatar-app studio {before}.",
                "Go on as it began, or choose another folder with --run.",
            )

    def note(self, running: Iterable[str], finished: str | None = None) -> None:
        """Write down the time since the last note for each step that was running, and which one has finished."""
        now_s = time.monotonic()
        passed_s, self._t_noted_s = now_s - self._t_noted_s, now_s
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
            self.took_s.update({str(name): float(step["took_s"]) for name, step in kept["steps"].items()})
            self._commands = {str(name): str(step["command"]) for name, step in kept["steps"].items()}
            self.finished = {name for name, step in kept["steps"].items() if step["is_finished"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StudioError(
                f"The file {self._file} cannot be read: {error}.", "Delete it: steps find what they have done."
            ) from error


class Pipeline:
    """Runs steps as soon as what they need is finished.

    Args:
        steps: in any order.
        ledger: where finished steps are written down.
        n_jobs: steps at a time.
        launch: runs one; raises `StudioError` when it fails.
    """

    def __init__(self, steps: Sequence[Step], ledger: Ledger, n_jobs: int, launch: Callable[[Step], None]) -> None:
        self._steps, self._ledger = {step.name: step for step in steps}, ledger
        self._n_jobs, self._launch = n_jobs, launch

    def run(self) -> None:
        """Run what is not finished.

        Raises:
            StudioError: a step failed; steps under way are finished first, and nothing new is begun.
        """
        for step in self._steps.values():
            self._ledger.begin(step)
            if step.name in self._ledger.finished:
                log.info("[%s] is finished", step.name)
        log.info("%s", self._progress())
        with ThreadPoolExecutor(self._n_jobs) as pool:
            running: dict[Future[None], str] = {}
            failed: StudioError | None = None
            while failed is None or running:
                if failed is None:
                    ready = self._ready(self._ledger.finished, running.values())
                    for name in ready[: self._n_jobs - len(running)]:
                        step = self._steps[name]
                        if not running and len(ready) == 1:
                            # Nothing else can begin before it ends.
                            step = with_all_cores(step)
                        running[pool.submit(self._launch, step)] = name
                if not running:
                    log.info("All %d steps are finished, after %s.", len(self._steps), _hours(self._ledger.clock_s))
                    return
                done = wait(running, timeout=NOTE_EVERY_S, return_when=FIRST_COMPLETED).done
                self._ledger.note(running.values())
                for future in done:
                    failed = self._end(running.pop(future), future) or failed
            raise failed

    def _ready(self, finished: Collection[str], running: Collection[str]) -> list[str]:
        return [
            name
            for name, step in self._steps.items()
            if name not in finished and name not in running and all(before in finished for before in step.after)
        ]

    def _progress(self) -> str:
        n_finished, n_steps = len(self._ledger.finished), len(self._steps)
        return f"{n_finished} of {n_steps} steps are finished, about {_hours(self._left_s())} left"

    def _left_s(self) -> float:
        """How long the rest takes if every step is as much slower than it should be as those that are finished."""
        took_s, finished = self._ledger.took_s, set(self._ledger.finished)
        should_s = sum(self._steps[name].cost_s for name in finished)
        pace = sum(took_s[name] for name in finished) / should_s if finished else 1.0
        left_s, running = 0.0, dict[str, float]()
        while len(finished) < len(self._steps):
            for name in self._ready(finished, running)[: self._n_jobs - len(running)]:
                running[name] = max(0.0, self._steps[name].cost_s * pace - took_s.get(name, 0.0))
            first = min(running, key=running.__getitem__)
            passed_s = running.pop(first)
            running = {name: s - passed_s for name, s in running.items()}
            left_s += passed_s
            finished.add(first)
        return left_s

    def _end(self, name: str, future: Future[None]) -> StudioError | None:
        error = future.exception()
        if isinstance(error, StudioError):
            return error
        future.result()
        self._ledger.note((), finished=name)
        log.info("[%s] finished after %s; %s", name, _hours(self._ledger.took_s[name]), self._progress())
        return None


def with_all_cores(step: Step) -> Step:
    """A step that works on every core; one that does not train is as it was."""
    if step.words[:1] not in (("train",), ("distil",)):
        return step
    return replace(step, words=(*step.words, "--n-threads", str(os.cpu_count() or 1)))


def with_arithmetic(step: Step, name: str) -> Step:
    """A step that computes in an arithmetic; with `auto`, and where no network computes, the step as it was."""
    if name == arithmetic.AUTO or step.words[0] not in ("train", "distil", "evaluate"):
        return step
    return replace(step, words=(*step.words, "--arithmetic", name))


def _hours(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def launch(step: Step) -> None:
    """Run a step as a child process and pass on its lines, each with the step's name before it.

    Raises:
        StudioError: it ended with an error.
    """
    log.info("[%s] avatar-app studio %s", step.name, " ".join(step.words))
    last = ""
    with subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-m", "avatar_app", "studio", *step.words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
    ) as child:
        assert child.stdout is not None  # noqa: S101  it is piped
        for line in child.stdout:
            last = line.rstrip() or last
            log.info("[%s] %s", step.name, line.rstrip())
    if child.returncode != 0:
        raise StudioError(
            f"The step {step.name} ended with an error: {last or f'code {child.returncode}'}.",
            "Put right what it says, then give the same command again: it continues there.",
        )


def end_with_parent() -> None:
    """When this process is a step: end when the pipeline ends, however it ends."""
    number = os.environ.get(PARENT_VARIABLE, "")
    if number.isdigit():
        threading.Thread(target=_wait_and_end, args=(int(number),), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(parent).wait()
    # Not sys.exit: that ends a thread. What a run keeps is written in one move at any time.
    os._exit(1)


def data_folder(path: Path) -> Path:
    """The folder that holds nova/ and speech/; its nova/ may be named instead.

    Raises:
        StudioError: one of them is missing.
    """
    folder = path.resolve()
    if folder.name == NOVA_FOLDER and not (folder / NOVA_FOLDER).exists():
        folder = folder.parent
    for name in (NOVA_FOLDER, "speech"):
        if not (folder / name).is_dir():
            raise StudioError(f"There is no folder {name} in {folder}.", "Name the folder that holds both with --data.")
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio all`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio all", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds nova/ and speech/, or its nova/")
    parser.add_argument("--run", type=Path, default=Path("runs"), help="where everything is kept (default: runs)")
    parser.add_argument("--models-dir", type=Path, help="where models are published (default: where the program looks)")
    parser.add_argument(
        "--from-published",
        action="store_true",
        help="take the networks that hear and draw out of nova-hd and nova-96, and begin with the teacher",
    )
    arithmetic.add_flag(parser, more="; reports then in fp32")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="steps at a time")
    arguments = parser.parse_args(argv)
    if arguments.jobs < 1:
        parser.error("--jobs must be 1 or more")
    try:
        arguments.run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(
            f"The folder {arguments.run} cannot be made: {error}.", "Choose another with --run."
        ) from error
    recipe = whole_recipe(
        data_folder(arguments.data), arguments.run.resolve(), arguments.models_dir, is_begun=arguments.from_published
    )
    # Not part of the recipe: what is left of it may be computed in another.
    Pipeline(
        recipe, Ledger(arguments.run), arguments.jobs, lambda step: launch(with_arithmetic(step, arguments.arithmetic))
    ).run()
    return 0
