"""Starting with the machine: an entry among the programs that the user's desktop starts at log-in.

The entry itself is the setting: whoever removes it in the system's own list has switched it off here too.
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
# Characters that a desktop entry's Exec line wants escaped inside quotes.
# Source: Desktop Entry Specification 1.5, "The Exec key".
DESKTOP_ESCAPES = str.maketrans({char: f"\\{char}" for char in '"`$\\'} | {"%": "%%"})


class Autostart(Protocol):
    """The entry of this program. Thread: any."""

    def is_on(self) -> bool:
        """Whether the system will start the program."""
        ...

    def turn(self, *, is_on: bool) -> None:
        """Make the entry, or take it away.

        Raises:
            OutputError: the system does not allow it.
        """
        ...


def autostart(paths: ProfilePaths) -> Autostart:
    """The entry as this system keeps it; the program will start with the settings of these paths."""
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
    """A file in the folder that the desktop looks through (Linux, macOS)."""

    def __init__(self, file: Path, content: bytes) -> None:
        self.file = file
        self._content = content

    def is_on(self) -> bool:
        """Whether the file is there as we write it; one that was switched off, or is of an older place, is not."""
        try:
            return read_bytes(self.file, len(self._content)) == self._content
        except InputFileError:
            return False

    def turn(self, *, is_on: bool) -> None:
        """Write the file, or remove it.

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
    """A value under the user's own `Run` key (Windows)."""

    def __init__(self, command: Sequence[str]) -> None:
        # Without a console window, where Python has such a starter.
        starter = Path(command[0]).with_name("pythonw.exe")
        first = str(starter) if starter.exists() else command[0]
        self._command = subprocess.list2cmdline([first, *command[1:]])

    def is_on(self) -> bool:
        """Whether the value is there as we write it."""
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
    """An entry as XDG desktops read it."""
    # Escaped twice: once as an argument, once more as a string of the file, in which a backslash is two.
    words = [f'"{word.translate(DESKTOP_ESCAPES)}"'.replace("\\", "\\\\") for word in command]
    lines = ("[Desktop Entry]", "Type=Application", "Name=Avatar", f"Exec={' '.join(words)}", "Terminal=false")
    return ("\n".join(lines) + "\n").encode()


def launch_agent(command: Sequence[str]) -> bytes:
    """A launch agent as macOS reads it."""
    return plistlib.dumps({"Label": f"org.{APP_NAME}", "ProgramArguments": list(command), "RunAtLoad": True})


def _refused(error: OSError) -> OutputError:
    return OutputError(
        f"The program cannot be set to start with the machine: {error.strerror or error}.",
        "Add it to the programs that start at log-in in your system's settings.",
    )
