"""Creates the virtual environment `.venv`, and updates it when something that it depends on changes.

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
# torch is in no lock: on Linux the index has a build for CUDA, with 3 GB of other packages, and a machine may offer the
# CPU build of the same version, which has other hashes. So the version is pinned, and the lock contains what the CPU
# build depends on. torch itself, and the packages of CUDA, are installed without hashes.
TORCH = "torch==2.13.0"
# mediapipe, which the face tracker uses, has no wheels for newer versions.
NEWEST_TRACKER_PYTHON = (3, 12)
ONNX_RUNTIME = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}
# Packages that earlier versions installed, and their replacements, which contain the same files.
REPLACED = {"opencv-contrib-python": "opencv-python-headless", "pyside6-addons": "pyside6-essentials"}


@dataclass(frozen=True)
class Plan:
    """The packages to install.

    Attributes:
        name: `run` or `test`; `test` includes `run`.
        extras: extras of pyproject.toml, besides that of ONNX Runtime.
        has_tracker: whether to install the face tracker, which cannot be an extra (`packaging/decisions/0015`).
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
    """Install what the plan needs, unless the stamp file shows that it is up to date.

    Raises:
        SetupError: the set-up failed; the message says what to do.
    """
    if is_ready(plan):
        return
    # Imported late: later starts do not need these modules, and Pythons before 3.10 cannot parse them.
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
        with Step("the face tracker, in its own folder") as step:
            run_quietly([str(PYTHON), "-m", "avatar_app", "webcam", "setup"], step)
    with Step("check: the program starts") as step:
        run_quietly([str(PYTHON), "-m", "avatar_app", "--version"], step)
    _write_stamp(plan, stamps)
    print(f"Set up in {time.monotonic() - t_start_s:.0f} s.", flush=True)


def is_ready(plan: Plan) -> bool:
    """Whether this plan was set up before, and none of its inputs has changed since."""
    return PYTHON.exists() and _stamps().get(plan.name) == _key()


def replace_process(command: Sequence[str]) -> None:
    """Replace this process by another program; on Windows, run it and exit with its exit code."""
    if os.name == "nt":
        raise SystemExit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], list(command))  # noqa: S606 - no shell is needed


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver seems to be installed; faster than running `nvidia-smi`, which takes a second."""
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
    """Create the environment, unless a working one exists."""
    from setup_steps import Step, run_quietly

    if PYTHON.exists() and _runs([str(PYTHON), "-m", "pip", "--version"]):
        return
    _need_ensurepip()
    with Step(f"virtual environment with Python {sys.version.split()[0]}") as step:
        run_quietly([sys.executable, "-m", "venv", "--clear", str(VENV)], step)


def _need_ensurepip() -> None:
    """Install the part of `venv` that Debian has in a separate package."""
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
    """`gpu` if an NVIDIA GPU is available, else `cpu`."""
    is_gpu = has_nvidia_driver() and sys.platform != "darwin" and _runs(["nvidia-smi", "-L"])
    print(f"  ONNX Runtime: {'for the NVIDIA GPU (255 MB)' if is_gpu else 'for the CPU (24 MB)'}", flush=True)
    return "gpu" if is_gpu else "cpu"


def _install(plan: Plan, runtime: str) -> None:
    """Install exactly the packages of the lock, then torch, then the program; packages from wheels only."""
    from setup_steps import Step, folder_mb, run_quietly
    from trim import trim_qt

    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--progress-bar=off"]
    what = "the program and its dependencies" + (", the studio with torch, the test tools" if plan.extras else "")
    with Step(f"{what}, by pip") as step:
        conflicting = _conflicting(runtime)
        if conflicting:
            run_quietly([*pip, "uninstall", "--yes", *conflicting], step)
        locked = ["--require-hashes", "--only-binary=:all:", "--requirement", str(plan.lock(runtime))]
        run_quietly([*install, *locked], step)
        if "studio" in plan.extras:
            run_quietly([*install, "--only-binary=:all:", TORCH], step)
        run_quietly([*install, "--no-deps", "--no-build-isolation", "--editable", str(REPO)], step)
        trim_qt(VENV)
        step.add(f".venv takes {folder_mb(VENV):.0f} MB")


def _conflicting(runtime: str) -> list[str]:
    """Installed packages that contain the same files as new ones; both must be uninstalled first."""
    # If pip cannot list packages, it cannot install them either; the next step reports that.
    listing = subprocess.run([str(PYTHON), "-m", "pip", "list", "--format=json"], stdout=subprocess.PIPE, check=False)
    names = {entry["name"].lower().replace("_", "-") for entry in json.loads(listing.stdout or "[]")}
    unwanted = {**REPLACED, ONNX_RUNTIME["cpu" if runtime == "gpu" else "gpu"]: ONNX_RUNTIME[runtime]}
    return [name for old, new in unwanted.items() if old in names for name in (old, new) if name in names]


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
