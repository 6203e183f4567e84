"""`avatar-app studio all`: every step from data to published models, several at a time, continued after a kill.

Each step is a studio command and runs in its own process, which frees its memory at the end. Steps continue from their
own checkpoints. `ledger` stores which steps are finished, and their durations.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.ledger import Ledger
from avatar_app.studio.recipe import NOVA_FOLDER, Step, whole_recipe
from avatar_app.studio.renamed import rename_steps

log = logging.getLogger(__name__)

# A kill loses at most this much of the durations.
SAVE_INTERVAL_S = 60.0
# Environment variable with the process id of the pipeline; a step ends when that process does.
PARENT_VARIABLE = "AVATAR_APP_STUDIO_PARENT"


class Pipeline:
    """Runs each step as soon as the steps that it needs are finished.

    Args:
        steps: in order of priority.
        ledger: stores finished steps.
        n_jobs: steps at a time.
        launch: runs a step; raises `StudioError` when it fails.
    """

    def __init__(self, steps: Sequence[Step], ledger: Ledger, n_jobs: int, launch: Callable[[Step], None]) -> None:
        self._steps, self._ledger = {step.name: step for step in steps}, ledger
        self._n_jobs, self._launch = n_jobs, launch

    def run(self) -> None:
        """Run the unfinished steps.

        Raises:
            StudioError: a step failed; no further step starts, and running ones are completed first.
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
                            # No other step can start before it ends.
                            step = with_all_cores(step)
                        running[pool.submit(self._launch, step)] = name
                if not running:
                    log.info("All %d steps are finished, after %s.", len(self._steps), _hours(self._ledger.clock_s))
                    return
                done = wait(running, timeout=SAVE_INTERVAL_S, return_when=FIRST_COMPLETED).done
                self._ledger.save(running.values())
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
        """Remaining time, if the finished steps predict the speed of this machine."""
        took_s, finished = self._ledger.took_s, set(self._ledger.finished)
        cost_s = sum(self._steps[name].cost_s for name in finished)
        pace = sum(took_s[name] for name in finished) / cost_s if finished else 1.0
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
        self._ledger.save((), finished=name)
        log.info("[%s] finished after %s; %s", name, _hours(self._ledger.took_s[name]), self._progress())
        return None


def with_all_cores(step: Step) -> Step:
    """A training step with one thread per core; other steps are unchanged."""
    if step.words[:1] not in (("train",), ("distil",)):
        return step
    return replace(step, words=(*step.words, "--n-threads", str(os.cpu_count() or 1)))


def with_arithmetic(step: Step, name: str) -> Step:
    """A step with an arithmetic; steps without networks, and `auto`, are unchanged."""
    if name == arithmetic.AUTO or step.words[0] not in ("train", "distil", "evaluate"):
        return step
    return replace(step, words=(*step.words, "--arithmetic", name))


def _hours(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def launch(step: Step) -> None:
    """Run a step as a child process and log its output with the name of the step.

    Raises:
        StudioError: it failed.
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
            "Correct the error, then give the same command again: it continues there.",
        )


def end_with_parent() -> None:
    """If this process is a step, end it when the pipeline ends or is killed."""
    number = os.environ.get(PARENT_VARIABLE, "")
    if number.isdigit():
        threading.Thread(target=_wait_and_end, args=(int(number),), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(parent).wait()
    # Not sys.exit, which would end this thread only. All files of a run are written in one step.
    os._exit(1)


def data_folder(path: Path) -> Path:
    """The folder that holds nova/ and speech/; `path` may also be its nova/.

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
    parser.add_argument("--run", type=Path, default=Path("runs"), help="folder of all results (default: runs)")
    parser.add_argument("--models-dir", type=Path, help="where models are published (default: where the program looks)")
    parser.add_argument(
        "--from-published",
        action="store_true",
        help="extract speech encoder, mouth renderer and student from nova-hd and nova-96, and start with the teacher",
    )
    arithmetic.add_flag(parser, more="; the report then uses fp32")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="steps at a time")
    arguments = parser.parse_args(argv)
    if arguments.jobs < 1:
        parser.error("--jobs must be 1 or more")
    try:
        arguments.run.mkdir(parents=True, exist_ok=True)
        rename_steps(arguments.run)
    except OSError as error:
        raise StudioError(
            f"The folder {arguments.run} cannot be made: {error}.", "Choose another with --run."
        ) from error
    recipe = whole_recipe(
        data_folder(arguments.data), arguments.run.resolve(), arguments.models_dir, is_begun=arguments.from_published
    )
    # Not part of the recipe, so that a run may continue in another arithmetic.
    Pipeline(
        recipe, Ledger(arguments.run), arguments.jobs, lambda step: launch(with_arithmetic(step, arguments.arithmetic))
    ).run()
    return 0
