#!/usr/bin/env python3
"""Makes the lock files again from pyproject.toml: `python3 packaging/lock.py [--upgrade] [--check]`.

Needs a network and Python 3.11 or newer. Versions that still satisfy pyproject.toml stay as they are, unless
`--upgrade` is given. `--check` changes nothing. Both then check that every system of `SYSTEMS` can install each lock
from wheels alone.

There is a file for each kind of install. Each is for all systems and Python versions: a line that is not for all of
them has a marker.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from environment import LOCKS, ONNX_RUNTIME, REPO, RUN, TEST, TORCH, TRACKER_LOCK

HEADER = "# Made by packaging/lock.py from pyproject.toml with the extras {extras}: do not edit.\n"
TRACKER_HEADER = "# Of what the face tracker is made. For another version, write it here and run packaging/lock.py.\n"
OLDEST, PYTHONS = "3.10", ("3.10", "3.11", "3.12", "3.13", "3.14")
# The last version with a wheel for Windows; Python 3.10 needs it.
LIMITS = "nvidia-cublas-cu12<12.9.3"
# torch is in no lock, see `environment.TORCH`; these are the dependencies of its CPU builds.
UV_SETTINGS = f"""
[[tool.uv.dependency-metadata]]
name = "torch"
version = "{TORCH.partition("==")[2]}"
requires-dist = ["filelock", "typing-extensions>=4.10", "setuptools>=77.0.3", "sympy>=1.13.3", "networkx>=2.5.1",
                 "jinja2", "fsspec>=0.8.5"]
"""


@dataclass(frozen=True)
class System:
    """A supported system.

    Attributes:
        name: uv's name for it; macOS is version 14.
        kinds: kinds of install.
        pythons: versions of Python.
    """

    name: str
    kinds: tuple[str, ...]
    pythons: tuple[str, ...] = PYTHONS


# No Mac has CUDA. Macs with an Intel processor are not supported: there is no torch for them, and OpenVINO, OpenCV and
# ONNX Runtime exist only in older versions, to which one lock for all would limit every system.
SYSTEMS = (
    System("x86_64-manylinux_2_34", ("run-cpu", "run-gpu", "test-cpu", "test-gpu")),
    System("x86_64-pc-windows-msvc", ("run-cpu", "run-gpu", "test-cpu", "test-gpu")),
    System("aarch64-manylinux_2_39", ("run-cpu", "test-cpu")),
    System("aarch64-manylinux_2_39", ("run-gpu", "test-gpu"), PYTHONS[1:]),
    System("aarch64-apple-darwin", ("run-cpu", "test-cpu")),
)


def main() -> int:
    """Make the locks, then check them; exit code 0 if all can be installed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avatar-app-lock-") as name:
        folder = Path(name)
        uv = get_uv(folder)
        if not arguments.check:
            make_all(uv, folder, is_upgrade=arguments.upgrade)
        problems = list(find_problems(uv, folder))
    print("\n".join(problems) or "Every lock can be installed on every system.")
    return 1 if problems else 0


def get_uv(folder: Path) -> Path:
    """Install uv, which makes the locks, into its own environment."""
    home = folder / "uv"
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return programs / "uv"


def make_all(uv: Path, folder: Path, *, is_upgrade: bool) -> None:
    """Make every lock; the others use the versions of the first, so that all fit into one environment."""
    import tomllib

    project = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(project + UV_SETTINGS, encoding="utf-8")
    (folder / "build.txt").write_text("\n".join(tomllib.loads(project)["build-system"]["requires"]), encoding="utf-8")
    (folder / "limits.txt").write_text(LIMITS, encoding="utf-8")
    LOCKS.mkdir(exist_ok=True)
    first: tuple[str, ...] = ()
    for plan in (TEST, RUN):
        for runtime in ONNX_RUNTIME:
            lock = plan.lock(runtime)
            if lock.exists() and not is_upgrade:
                shutil.copy(lock, folder)
            make(uv, folder, lock, (runtime, *plan.extras), *first)
            first = first or ("--constraints", lock.name)
    make_tracker(uv, folder)


def make(uv: Path, folder: Path, lock: Path, extras: tuple[str, ...], *options: str) -> None:
    """Make the lock of one kind of install."""
    inputs = ("pyproject.toml", "build.txt", "--constraints", "limits.txt")
    wanted = [option for extra in extras for option in ("--extra", extra)]
    compile_lock(uv, folder, lock, HEADER.format(extras=", ".join(extras)), *inputs, *wanted, *options)


def make_tracker(uv: Path, folder: Path) -> None:
    """Make the face tracker's lock again from the versions in it, without their dependencies."""
    lines = TRACKER_LOCK.read_text(encoding="utf-8").splitlines()
    (folder / "tracker.txt").write_text("\n".join(line.split()[0] for line in lines if "==" in line), encoding="utf-8")
    compile_lock(uv, folder, TRACKER_LOCK, TRACKER_HEADER, "tracker.txt", "--no-deps")


def compile_lock(uv: Path, folder: Path, lock: Path, header: str, *arguments: str) -> None:
    """Write a lock with uv, and add the header."""
    made = folder / lock.name
    options = ("--universal", "--generate-hashes", "--no-annotate", "--no-header", "--quiet")
    command = [uv, "pip", "compile", *options, "--python-version", OLDEST]
    subprocess.run(
        [*command, "--no-emit-package", "torch", *arguments, "--output-file", made.name], cwd=folder, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    lock.write_text(header + made.read_text(encoding="utf-8"), encoding="utf-8")
    print(lock.relative_to(REPO), flush=True)


def find_problems(uv: Path, folder: Path) -> Iterator[str]:
    """A line for each lock that a system cannot install from wheels alone."""
    for system in SYSTEMS:
        for kind in system.kinds:
            for python in system.pythons:
                command = [uv, "pip", "install", "--dry-run", "--target", folder / "none", "--python-platform"]
                done = subprocess.run(
                    [*command, system.name, "--python-version", python, "--require-hashes", "--only-binary", ":all:",
                     "--requirements", LOCKS / f"{kind}.txt"],
                    env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    yield f"{kind}, {system.name}, Python {python}: {' '.join(done.stderr.split())}"


if __name__ == "__main__":
    sys.exit(main())
