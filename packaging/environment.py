"""The virtual environment in `.venv`: made once, and left alone while nothing that it depends on changes.

Standard library only, Linux, macOS and Windows.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENV = REPO / ".venv"
STAMP = VENV / "avatar-app-setup.json"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST_PYTHON = (3, 10)
NEEDED_GB = {"run": 2.0, "test": 5.0}
# mediapipe, by which faces are followed, is not made for newer ones.
NEWEST_TRACKER_PYTHON = (3, 12)
ONNX_RUNTIME = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}


@dataclass(frozen=True)
class Plan:
    """What is set up.

    Attributes:
        name: `run` or `test`; whoever has the second has the first.
        extras: extras of pyproject.toml beside the ONNX Runtime.
        has_tracker: with the face tracker, which no extra can name (`packaging/decisions/0015`).
    """

    name: str
    extras: tuple[str, ...] = ()
    has_tracker: bool = False


RUN = Plan("run")
TEST = Plan("test", ("studio", "test"), has_tracker=True)


def make_ready(plan: Plan) -> None:
    """Set up what the plan needs, unless a stamp says that it was done.

    Raises:
        SetupError: something is in the way; the sentence says what to do.
    """
    if is_ready(plan):
        return
    # Imported late: a second start needs none of it, and an older Python can read only the first.
    from setup_steps import SetupError, Step, run_quietly

    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"This is Python {found}; the program needs 3.10 or newer.", "Install it from python.org.")
    from system_packages import APP_PARTS, TEST_PARTS, add_missing

    t_start_s = time.monotonic()
    print(f"Setting up avatar-app in {VENV} (once; later starts skip this).", flush=True)
    _check_disk(NEEDED_GB[plan.name])
    stamps = _stamps()
    STAMP.unlink(missing_ok=True)
    add_missing(APP_PARTS + (TEST_PARTS if plan.name == "test" else ()))
    _make_venv()
    runtime = _choose_runtime()
    _install(plan, runtime)
    if plan.has_tracker and sys.version_info[:2] <= NEWEST_TRACKER_PYTHON:
        with Step("the face tracker, in a folder of its own") as step:
            run_quietly([str(PYTHON), "-m", "avatar_app", "webcam", "setup"], step)
    with Step("check: the program starts") as step:
        run_quietly([str(PYTHON), "-m", "avatar_app", "--version"], step)
    _write_stamp(plan, stamps)
    print(f"Set up in {time.monotonic() - t_start_s:.0f} s.", flush=True)


def is_ready(plan: Plan) -> bool:
    """Whether this plan was set up before, and nothing it depends on has changed since."""
    return PYTHON.exists() and _stamps().get(plan.name) == _key()


def replace_process(command: Sequence[str]) -> None:
    """Become another program; on Windows, run it and end with its exit code."""
    if os.name == "nt":
        raise SystemExit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], list(command))  # noqa: S606 - there is no shell to need


def has_nvidia_driver() -> bool:
    """A cheap look for an NVIDIA driver, for the stamp; `nvidia-smi` itself takes a second."""
    return os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None


def _key() -> str:
    parts = (
        (REPO / "pyproject.toml").read_bytes(),
        f"{sys.version} {sys.prefix} {REPO} {has_nvidia_driver()}".encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _stamps() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _write_stamp(plan: Plan, older: dict[str, str]) -> None:
    names = ("run", "test") if plan.name == "test" else ("run",)
    stamps = {name: key for name, key in older.items() if key == _key()}
    STAMP.write_text(json.dumps({**stamps, **dict.fromkeys(names, _key())}), encoding="utf-8")


def _check_disk(needed_gb: float) -> None:
    from setup_steps import SetupError

    free_gb = shutil.disk_usage(REPO).free / 1e9
    if free_gb < needed_gb and not VENV.exists():
        raise SetupError(
            f"The disk has {free_gb:.1f} GB free; the set-up needs {needed_gb:.0f} GB.", "Free some space."
        )


def _make_venv() -> None:
    """Make the environment anew unless a whole one stands there."""
    from setup_steps import Step, run_quietly

    if PYTHON.exists() and _runs([str(PYTHON), "-m", "pip", "--version"]):
        return
    _need_ensurepip()
    with Step(f"virtual environment with Python {sys.version.split()[0]}") as step:
        run_quietly([sys.executable, "-m", "venv", "--clear", str(VENV)], step)


def _need_ensurepip() -> None:
    """Debian splits a part of `venv` into a package of its own."""
    from setup_steps import SetupError
    from system_packages import SystemPart, add_missing

    if _runs([sys.executable, "-c", "import ensurepip, venv"]):
        return
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if shutil.which("apt-get"):
        add_missing((SystemPart(name, name, "python3", "python"),))
    if not _runs([sys.executable, "-c", "import ensurepip, venv"]):
        raise SetupError("This Python cannot make virtual environments.", f"Install {name}, then start again.")


def _choose_runtime() -> str:
    """`gpu` where an NVIDIA GPU answers, else `cpu`."""
    is_gpu = has_nvidia_driver() and sys.platform != "darwin" and _runs(["nvidia-smi", "-L"])
    print(f"  ONNX Runtime: {'for the NVIDIA GPU (255 MB)' if is_gpu else 'for the CPU (24 MB)'}", flush=True)
    return "gpu" if is_gpu else "cpu"


def _install(plan: Plan, runtime: str) -> None:
    from setup_steps import Step, folder_mb, run_quietly

    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    other = ONNX_RUNTIME["cpu" if runtime == "gpu" else "gpu"]
    what = "the program and what it needs" + (", the studio with torch, the test tools" if plan.extras else "")
    with Step(f"{what}, by pip") as step:
        # The two packages share one import name: the wrong one must go before the right one comes.
        run_quietly([*pip, "uninstall", "--yes", other], step, is_needed=False)
        extras = ",".join((runtime, *plan.extras))
        run_quietly([*pip, "install", "--progress-bar=off", "--editable", f"{REPO}[{extras}]"], step)
        step.add(f".venv takes {folder_mb(VENV):.0f} MB")


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
