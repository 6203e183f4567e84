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
NEEDED_GB = {"run": 1.5, "test": 5.0}
LOCKS = REPO / "packaging" / "locks"
TRACKER_LOCK = REPO / "avatar_app" / "live" / "webcam" / "tracker.txt"
# In no lock: the index has one torch of this version for each system, whose hashes are not those of the build for the
# CPU that a machine may offer in its place, and on Linux it is a build for CUDA that brings 3 GB of packages along. So
# its version is pinned, and all that the build for the CPU asks for is locked; torch itself, and CUDA's packages, come
# without hashes.
TORCH = "torch==2.13.0"
# mediapipe, by which faces are followed, is not made for newer ones.
NEWEST_TRACKER_PYTHON = (3, 12)
ONNX_RUNTIME = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}
# What earlier versions installed, and the package with the same files that takes its place.
REPLACED = {"opencv-contrib-python": "opencv-python-headless", "pyside6-addons": "pyside6-essentials"}


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

    def lock(self, runtime: str) -> Path:
        """The file with the exact packages of this plan, for an ONNX Runtime ("cpu" or "gpu")."""
        return LOCKS / f"{self.name}-{runtime}.txt"


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
        *(file.read_bytes() for file in (REPO / "pyproject.toml", TRACKER_LOCK, *sorted(LOCKS.glob("*.txt")))),
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
    """What the lock names and nothing else, then torch, then the program itself; all of it from wheels."""
    from setup_steps import Step, folder_mb, run_quietly
    from trim import trim_qt

    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--progress-bar=off"]
    what = "the program and what it needs" + (", the studio with torch, the test tools" if plan.extras else "")
    with Step(f"{what}, by pip") as step:
        in_the_way = _in_the_way(runtime)
        if in_the_way:
            run_quietly([*pip, "uninstall", "--yes", *in_the_way], step)
        locked = ["--require-hashes", "--only-binary=:all:", "--requirement", str(plan.lock(runtime))]
        run_quietly([*install, *locked], step)
        if "studio" in plan.extras:
            run_quietly([*install, "--only-binary=:all:", TORCH], step)
        run_quietly([*install, "--no-deps", "--no-build-isolation", "--editable", str(REPO)], step)
        trim_qt(VENV)
        step.add(f".venv takes {folder_mb(VENV):.0f} MB")


def _in_the_way(runtime: str) -> list[str]:
    """Installed packages that share files with what comes; whoever they share them with must come anew."""
    # A pip that cannot list cannot install either; that is said a moment later.
    listing = subprocess.run([str(PYTHON), "-m", "pip", "list", "--format=json"], stdout=subprocess.PIPE, check=False)
    names = {entry["name"].lower().replace("_", "-") for entry in json.loads(listing.stdout or "[]")}
    unwanted = {**REPLACED, ONNX_RUNTIME["cpu" if runtime == "gpu" else "gpu"]: ONNX_RUNTIME[runtime]}
    return [name for old, new in unwanted.items() if old in names for name in (old, new) if name in names]


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
