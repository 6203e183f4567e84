"""Queries the system for findings about the camera; tests use a fake."""

from __future__ import annotations

import glob
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from avatar_app.contracts.errors import UserError
from avatar_app.live.camera.device import open_camera
from avatar_app.live.camera.layout import Layout
from avatar_app.live.runtime.device_loop import users_of

COMMAND_TIMEOUT_S = 5.0


class Probe(Protocol):
    """Queries about the system.

    Attributes:
        system: as `sys.platform`.
        release: the kernel's release.
    """

    system: str
    release: str

    def has_package(self) -> bool:
        """Whether pyvirtualcam is installed."""
        ...

    def read(self, path: str) -> str | None:
        """A file's text; None when it cannot be read."""
        ...

    def find(self, pattern: str) -> tuple[str, ...]:
        """Files that match a pattern, sorted."""
        ...

    def can_write(self, path: str) -> bool:
        """Whether this user may write a file."""
        ...

    def run(self, *command: str) -> str | None:
        """Output of a command; None when it is missing or fails."""
        ...

    def has_class(self, clsid: str) -> bool:
        """Whether a class is registered on Windows."""
        ...

    def users_of(self, path: str) -> tuple[str, ...]:
        """Names of other programs that have a file open, as far as this user may see."""
        ...

    def open_error(self) -> str:
        """Why a camera cannot be opened now; "" when it can."""
        ...


class SystemProbe:
    """Queries this machine. Thread: any; a call may take a second."""

    def __init__(self) -> None:
        self.system = sys.platform
        self.release = platform.release()

    def has_package(self) -> bool:
        """Whether pyvirtualcam is installed."""
        return importlib.util.find_spec("pyvirtualcam") is not None

    def read(self, path: str) -> str | None:
        """A file's text; None when it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def find(self, pattern: str) -> tuple[str, ...]:
        """Files that match a pattern, sorted."""
        return tuple(sorted(glob.glob(pattern, recursive=True)))

    def can_write(self, path: str) -> bool:
        """Whether this user may write a file."""
        return os.access(path, os.W_OK)

    def run(self, *command: str) -> str | None:
        """Output of a command; None when it is missing or fails."""
        # Administration tools are not in the path of every user.
        path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
        program = shutil.which(command[0], path=path)
        if program is None:
            return None
        try:
            done = subprocess.run(  # noqa: S603 - fixed commands, from this package alone
                (program, *command[1:]), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def has_class(self, clsid: str) -> bool:
        """Whether a class is registered on Windows."""
        if sys.platform != "win32":
            return False
        import winreg

        try:
            winreg.CloseKey(winreg.OpenKey(winreg.HKEY_CLASSES_ROOT, rf"CLSID\{clsid}"))
        except OSError:
            return False
        return True

    def users_of(self, path: str) -> tuple[str, ...]:
        """Names of other programs that have a file open, as far as this user may see."""
        return users_of(path)

    def open_error(self) -> str:
        """Why a camera cannot be opened now; "" when it can."""
        try:
            open_camera(Layout()).close()
        except UserError as error:
            return error.what
        return ""
