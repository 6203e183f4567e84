"""Steps of the set-up: progress, commands and error messages. Standard library only."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

LINE_WIDTH = 100
N_SHOWN_ON_FAILURE = 25
# Texts in the output of a failed command, its cause, and what to do.
CAUSES = (
    (("no space left on device", "errno 28"), "The disk is full.", "Free some space and start again."),
    (
        ("name resolution", "failed to establish a new connection", "connection refused", "connectionerror",
         "read timed out", "network is unreachable", "no route to host", "getaddrinfo failed", "proxyerror"),
        "The packages could not be downloaded: the package index cannot be reached.",
        "Check the network connection (and the proxy, if you use one), then start again: finished downloads are kept.",
    ),
    (("certificate verify failed",), "The package index's certificate was not accepted.",
     "Check the machine's clock, and the proxy's certificate if you use one."),
    (("permission denied", "errno 13"), "A folder cannot be written to.",
     "Start from a copy of the program that belongs to you."),
    (("do not match the hashes",), "A downloaded package is not the one that this program was tested with.",
     "Start again without a mirror or cache (`PIP_NO_CACHE_DIR=1`). If the error remains, do not install the package,"
     " and report it."),
    (("no matching distribution found", "--require-hashes mode"),
     "A tested package is not offered for this Python or machine.",
     "All are offered for Python 3.10 to 3.14 on 64-bit Windows, on macOS 14 with an Apple processor, and on Linux from"
     " 2022 (on ARM from 2024). Elsewhere pip may find older ones, untested: `.venv/bin/pip install -e '.[cpu]'`, then"
     " `.venv/bin/avatar-app`."),
)  # fmt: skip


class SetupError(Exception):
    """The set-up cannot continue; the message says why and what to do."""

    def __init__(self, what: str, what_to_do: str) -> None:
        super().__init__(f"{what} {what_to_do}")


class Step:
    """Prints a line for a step of the set-up, its progress, and how long it took."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._detail = ""
        self._is_live = sys.stdout.isatty()

    def __enter__(self) -> Step:
        self._t_start_s = time.monotonic()
        print(f"  {self._text} ...", end="" if self._is_live else "\n", flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took_s = time.monotonic() - self._t_start_s
        result = "failed" if kind else f"done in {took_s:.1f} s"
        detail = f" ({self._detail})" if self._detail and kind is None else ""
        print(f"\r\x1b[2K  {self._text}: {result}{detail}" if self._is_live else f"    {result}{detail}", flush=True)

    def add(self, detail: str) -> None:
        """Add a detail to the line that ends the step."""
        self._detail = detail

    def show(self, line: str) -> None:
        """Show the progress of the step, on a terminal only."""
        if self._is_live and line.strip():
            seconds = int(time.monotonic() - self._t_start_s)
            text = f"  {self._text} ... {seconds} s  {line.strip()}"
            print("\r\x1b[2K" + text[: shutil.get_terminal_size((LINE_WIDTH, 24)).columns - 1], end="", flush=True)


def run_quietly(
    command: Sequence[str], step: Step, environment: Mapping[str, str] | None = None, is_needed: bool = True
) -> bool:
    """Run a command, and print its output only if it fails.

    Args:
        command: program and arguments.
        step: shows the newest line of the output.
        environment: variables of the command; those of this process if None.
        is_needed: whether a failure is an error.

    Returns:
        Whether the command succeeded.

    Raises:
        SetupError: a needed command failed; its last lines have been printed.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    ) as process:
        if process.stdout is None:
            raise SetupError("A command gave no output.", "Start again.")
        for line in process.stdout:
            lines.append(line.rstrip())
            step.show(line)
    if process.returncode == 0 or not is_needed:
        return process.returncode == 0
    print("\n" + "\n".join(lines[-N_SHOWN_ON_FAILURE:]), file=sys.stderr)
    raise explain("\n".join(lines), command)


def explain(output: str, command: Sequence[str]) -> SetupError:
    """The error for a failed command, from its output."""
    text = output.lower()
    for marks, what, what_to_do in CAUSES:
        if any(mark in text for mark in marks):
            return SetupError(what, what_to_do)
    return SetupError(f"`{' '.join(command)}` failed.", "See its last lines above.")


def folder_mb(folder: Path) -> float:
    """Size of a folder's files in megabytes."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) / 1e6
