"""Starts the program at log-in, by an entry of the user's desktop.

The entry itself is the setting: removing it in the list of the system switches it off here too.
"""

from __future__ import annotations

import contextlib
import importlib
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from avatar_app.contracts.atomic_file import write_bytes
from avatar_app.contracts.errors import InputFileError, OutputError
from avatar_app.contracts.input_file import read_bytes
from avatar_app.settings.paths import APP_NAME, ProfilePaths

winreg: Any = importlib.import_module("winreg") if sys.platform == "win32" else None
WINDOWS_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
# Characters that must be escaped inside quotes in the Exec line of a desktop entry.
# Source: Desktop Entry Specification 1.5, "The Exec key".
DESKTOP_ESCAPES = str.maketrans({char: f"\\{char}" for char in '"`$\\'} | {"%": "%%"})


class Autostart(Protocol):
    """The log-in entry of this program. Thread: any."""

    def is_on(self) -> bool:
        """Whether the system starts the program at log-in."""
        ...

    def turn(self, *, is_on: bool) -> None:
        """Add or remove the entry.

        Raises:
            OutputError: the system does not allow it.
        """
        ...


def autostart(paths: ProfilePaths) -> Autostart:
    """The entry of this system; it starts the program with the settings of these paths."""
    command = [sys.executable, "-m", "avatar_app"]
    if paths.dir is not None:
        command += ["--profile-dir", str(paths.dir.resolve())]
    if sys.platform == "win32":
        return RegistryEntry(command)
    if sys.platform == "darwin":
        return FileEntry(Path.home() / "Library" / "LaunchAgents" / f"org.{APP_NAME}.plist", launch_agent(command))
    folder = Path(platformdirs.user_config_dir()) / "autostart"
    return FileEntry(folder / f"{APP_NAME}.desktop", desktop_entry(command))


class FileEntry:
    """A file in the autostart folder of the desktop (Linux, macOS)."""

    def __init__(self, file: Path, content: bytes) -> None:
        self.file = file
        self._content = content

    def is_on(self) -> bool:
        """Whether the file has the content that we write; one that was edited, or names another folder, has not."""
        try:
            return read_bytes(self.file, len(self._content)) == self._content
        except InputFileError:
            return False

    def turn(self, *, is_on: bool) -> None:
        """Write or remove the file.

        Raises:
            OutputError: the folder cannot be written to.
        """
        try:
            if is_on:
                write_bytes(self.file, self._content)
            else:
                self.file.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(error) from error


class RegistryEntry:
    """A value under the user's `Run` key (Windows)."""

    def __init__(self, command: Sequence[str]) -> None:
        # Without a console window, if this Python has such an executable.
        starter = Path(command[0]).with_name("pythonw.exe")
        first = str(starter) if starter.exists() else command[0]
        self._command = subprocess.list2cmdline([first, *command[1:]])

    def is_on(self) -> bool:
        """Whether the value is the one that we write."""
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, WINDOWS_KEY) as key:
                return bool(winreg.QueryValueEx(key, APP_NAME)[0] == self._command)
        except OSError:
            return False

    def turn(self, *, is_on: bool) -> None:
        """Set the value, or delete it.

        Raises:
            OutputError: the registry cannot be written to.
        """
        try:
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, WINDOWS_KEY) as key:
                if is_on:
                    winreg.SetValueEx(key, APP_NAME, 0, winreg.REG_SZ, self._command)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        winreg.DeleteValue(key, APP_NAME)
        except OSError as error:
            raise _refused(error) from error


def desktop_entry(command: Sequence[str]) -> bytes:
    """The content of an XDG desktop entry."""
    # Escaped twice: as an argument, and as a string of the file, in which a backslash is doubled.
    quoted = [f'"{part.translate(DESKTOP_ESCAPES)}"'.replace("\\", "\\\\") for part in command]
    lines = ("[Desktop Entry]", "Type=Application", "Name=Avatar", f"Exec={' '.join(quoted)}", "Terminal=false")
    return ("\n".join(lines) + "\n").encode()


def launch_agent(command: Sequence[str]) -> bytes:
    """The content of a launch agent of macOS."""
    return plistlib.dumps({"Label": f"org.{APP_NAME}", "ProgramArguments": list(command), "RunAtLoad": True})


def _refused(error: OSError) -> OutputError:
    return OutputError(
        f"The program cannot be set to start at log-in: {error.strerror or error}.",
        "Add it in the settings of your system.",
    )
