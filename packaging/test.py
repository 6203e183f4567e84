#!/usr/bin/env python3
"""Sets up what the tests need, then runs them all: `python3 packaging/test.py [pytest arguments]`.

With arguments, only pytest runs, on what they name: `python3 packaging/test.py tests/unit -k mel`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from environment import PYTHON, REPO, TEST, make_ready

CHECKS = (
    ("ruff check", ("-m", "ruff", "check", ".")),
    ("ruff format", ("-m", "ruff", "format", "--check", ".")),
    ("import-linter", ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")),
    ("mypy", ("-m", "mypy")),
)
# Tests that depend on real time or on a sound server run alone; the others run in parallel, one per core.
ALONE = ("tests/bench", "tests/device", "tests/end2end", "tests/pipeline")
# The longest tests first, so that all cores are busy until the end.
TOGETHER = ("tests/studio", "tests/parity", "tests/gui", "tests/commands", "tests/unit")
# Without SIGALRM the time limit ends the process of a hanging test, so the tests run in a worker that can be replaced.
IN_A_WORKER = () if hasattr(signal, "SIGALRM") else ("-n", "1")


@dataclass(frozen=True)
class Result:
    """The result of one check."""

    name: str
    is_good: bool
    took_s: float
    output: str = ""


def check(name: str, arguments: Sequence[str]) -> Result:
    """Run one of the quick checks and keep its output."""
    t_start_s = time.monotonic()
    done = subprocess.run(
        [str(PYTHON), *arguments], cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return Result(name, done.returncode == 0, time.monotonic() - t_start_s, done.stdout)


def run_checks() -> list[Result]:
    """Run all quick checks, two at a time, and report each result."""
    results = []
    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(lambda item: check(*item), CHECKS):
            report(result)
            results.append(result)
    return results


def run_tests(arguments: Sequence[str]) -> list[Result]:
    """Run pytest with these arguments; without any, run all tests."""
    if arguments:
        return [run_pytest("pytest", arguments)]
    together = run_pytest("pytest, shared", ("-n", str(os.cpu_count() or 1), "--dist", "worksteal", *TOGETHER))
    return [together, run_pytest("pytest, alone", (*IN_A_WORKER, *ALONE))]


def run_pytest(name: str, arguments: Sequence[str]) -> Result:
    """Run pytest without a screen, in a temporary runtime folder."""
    t_start_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="avatar-app-test-") as folder:
        # One thread per process: on a busy machine, more threads wait for each other.
        variables = {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": folder, "OMP_NUM_THREADS": "1", **os.environ}
        done = subprocess.run([str(PYTHON), "-m", "pytest", *arguments], cwd=REPO, env=variables, check=False)
    return Result(name, done.returncode == 0, time.monotonic() - t_start_s)


def report(result: Result) -> None:
    """Print one line, and the output of a failed check."""
    print(f"{'ok    ' if result.is_good else 'FAILED'}  {result.name:<14} {result.took_s:6.1f} s", flush=True)
    if not result.is_good and result.output:
        print(result.output, flush=True)


def main() -> int:
    """Set up, check, test; exit code 0 if everything passes."""
    from setup_steps import SetupError

    arguments = sys.argv[1:]
    try:
        make_ready(TEST)
        results = [] if arguments else run_checks()
        results += run_tests(arguments)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print()
    for result in results:
        report(Result(result.name, result.is_good, result.took_s))
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
