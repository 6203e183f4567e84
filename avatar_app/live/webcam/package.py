"""Where mediapipe lies: in a folder of its own, which only the tracker's process sees.

mediapipe 0.10.21, the last one with its models inside, asks for numpy 1 and protobuf 4, and for jax and matplotlib that
tracking never uses. It runs with numpy 2; so it is installed without what it asks for, beside the program and not in it
(`packaging/decisions/0015`).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.errors import CameraInputError, MissingExtraError

# Exact versions with their hashes; they are installed without looking at what they ask for.
LOCK = Path(__file__).with_name("tracker.txt")
SET_UP = "Run `avatar-app webcam setup` once; it fetches 40 MB."
NEWEST_PYTHON = (3, 12)
INSTALL_TIMEOUT_S = 900.0


def package_dir() -> Path:
    """The folder, in the program's own environment: whoever removes that removes this."""
    return Path(sys.prefix) / "avatar-app-webcam"


def is_installed() -> bool:
    """Whether faces can be tracked here; looks at the disk, imports nothing."""
    return (package_dir() / "mediapipe").is_dir() or importlib.util.find_spec("mediapipe") is not None


def is_outdated() -> bool:
    """Whether the folder was made from another lock than ours."""
    lock = package_dir() / LOCK.name
    return package_dir().is_dir() and (not lock.is_file() or lock.read_bytes() != LOCK.read_bytes())


def can_install() -> bool:
    """Whether there is a mediapipe for this Python."""
    return sys.version_info[:2] <= NEWEST_PYTHON


def require_package() -> None:
    """Make sure that mediapipe is there.

    Raises:
        MissingExtraError: it is not.
    """
    if is_installed():
        return
    if not can_install():
        raise MissingExtraError(
            f"Faces cannot be tracked with Python {sys.version_info[0]}.{sys.version_info[1]}: mediapipe is not made"
            " for it.",
            "Install the program with Python 3.12; all else works as it is.",
        )
    raise MissingExtraError("Following your head needs the package mediapipe.", SET_UP)


def install(tell: Callable[[str], None]) -> Path:
    """Install mediapipe, all or nothing.

    Args:
        tell: gets a line for each step.

    Returns:
        The folder.

    Raises:
        CameraInputError: it cannot be fetched or written, or does not run here.
    """
    folder = package_dir()
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    tell(f"Fetching mediapipe into {folder}")
    locked = ("--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK))
    _pip("install", "--quiet", "--no-deps", "--target", str(fresh), *locked)
    try:
        shutil.copy(LOCK, fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as error:
        raise CameraInputError(f"{folder} cannot be written ({error}).", "Stop the program, then try again.") from error
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
            "mediapipe could not be installed: what was fetched is not the one that this program was tested with.",
            "Try again without a mirror or cache in between; if it stays so, tell us.",
        )
    if done.returncode:
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip gave no reason")
        raise CameraInputError(
            f"mediapipe could not be installed: {said.removeprefix('ERROR: ').rstrip('.')}.",
            "Check the network connection and that Python is 3.10 to 3.12, then try again.",
        )
