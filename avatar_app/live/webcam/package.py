"""Installs mediapipe into a separate folder, which only the tracker process uses.

mediapipe 0.10.21, the last version that includes its models, depends on numpy 1 and protobuf 4, and on jax and
matplotlib, which tracking does not use. It runs with numpy 2, so it is installed without its dependencies, and outside
the environment of the program (`packaging/decisions/0015`).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.errors import CameraInputError, MissingExtraError

# Exact versions with hashes, installed without their dependencies.
LOCK = Path(__file__).with_name("tracker.txt")
SET_UP = "Run `avatar-app webcam setup` once; it downloads 40 MB."
NEWEST_PYTHON = (3, 12)
INSTALL_TIMEOUT_S = 900.0


def package_dir() -> Path:
    """The folder of mediapipe; inside the environment of the program, so that it is removed with it."""
    return Path(sys.prefix) / "avatar-app-webcam"


def is_installed() -> bool:
    """Whether mediapipe is installed; does not import it."""
    return (package_dir() / "mediapipe").is_dir() or importlib.util.find_spec("mediapipe") is not None


def is_outdated() -> bool:
    """Whether the folder was installed from another lock file."""
    lock = package_dir() / LOCK.name
    return package_dir().is_dir() and (not lock.is_file() or lock.read_bytes() != LOCK.read_bytes())


def can_install() -> bool:
    """Whether mediapipe supports this version of Python."""
    return sys.version_info[:2] <= NEWEST_PYTHON


def require_package() -> None:
    """Check that mediapipe is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if is_installed():
        return
    if not can_install():
        raise MissingExtraError(
            f"Head tracking does not work with Python {sys.version_info[0]}.{sys.version_info[1]}: mediapipe does not"
            " support it.",
            "Install the program with Python 3.12. Everything else works as it is.",
        )
    raise MissingExtraError("Head tracking needs the package mediapipe.", SET_UP)


def install(report: Callable[[str], None]) -> Path:
    """Install mediapipe, all or nothing.

    Args:
        report: called with a line for each step.

    Returns:
        The folder.

    Raises:
        CameraInputError: it cannot be downloaded or written.
    """
    folder = package_dir()
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    report(f"Downloading mediapipe to {folder}")
    locked = ("--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK))
    _pip("install", "--quiet", "--no-deps", "--target", str(fresh), *locked)
    try:
        shutil.copy(LOCK, fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as error:
        raise CameraInputError(
            f"{folder} cannot be written ({error}).", "Close the program, then try again."
        ) from error
    return folder


def _pip(*arguments: str) -> None:
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, fixed packages
            command, capture_output=True, text=True, errors="replace", timeout=INSTALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CameraInputError(f"mediapipe could not be installed ({error}).", "Try again.") from error
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise CameraInputError(
            "mediapipe could not be installed: the download is not the version that this program was tested with.",
            "Try again without a mirror or cache. If it fails again, report it to us.",
        )
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip gave no reason")
        raise CameraInputError(
            f"mediapipe could not be installed: {reason.removeprefix('ERROR: ').rstrip('.')}.",
            "Check the network connection and that Python is 3.10 to 3.12, then try again.",
        )
