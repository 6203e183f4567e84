"""Finds missing libraries and programs that pip cannot install, and installs them.

Standard library only. On Debian and Ubuntu `apt-get` installs them if it needs no password; on other systems the
command is printed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from setup_steps import SetupError, Step, run_quietly


@dataclass(frozen=True)
class SystemPart:
    """A library or program that the machine must have.

    Attributes:
        probe: name of a shared library or of a program.
        apt: its package on Debian and Ubuntu.
        dnf: its package on Fedora.
        pacman: its package on Arch.
    """

    probe: str
    apt: str
    dnf: str
    pacman: str

    def is_missing(self) -> bool:
        """Whether it is missing: the loader does not find the library, or the search path the program."""
        if ".so" not in self.probe:
            return shutil.which(self.probe) is None
        try:
            ctypes.CDLL(self.probe)
        except OSError:
            return True
        return False


APP_PARTS = (
    SystemPart("libportaudio.so.2", "libportaudio2", "portaudio", "portaudio"),
    SystemPart("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    SystemPart("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd"),
    SystemPart("libglib-2.0.so.0", "libglib2.0-0", "glib2", "glib2"),
    SystemPart("libfontconfig.so.1", "libfontconfig1", "fontconfig", "fontconfig"),
    SystemPart("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "dbus"),
    SystemPart("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
    SystemPart("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor"),
    SystemPart("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm"),
    SystemPart("libxcb-image.so.0", "libxcb-image0", "xcb-util-image", "xcb-util-image"),
    SystemPart("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms"),
    SystemPart("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil"),
    SystemPart("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb"),
    # The sound server's tool: reports the names of devices, and added and removed devices.
    SystemPart("pactl", "pulseaudio-utils", "pulseaudio-utils", "libpulse"),
)
TEST_PARTS = (
    SystemPart("Xvfb", "xvfb", "xorg-x11-server-Xvfb", "xorg-server-xvfb"),
    SystemPart("xauth", "xauth", "xauth", "xorg-xauth"),
    SystemPart("pulseaudio", "pulseaudio", "pulseaudio", "pulseaudio"),
    SystemPart("ffprobe", "ffmpeg", "ffmpeg-free", "ffmpeg"),
    SystemPart("flite", "flite", "flite", "flite"),
    SystemPart("sox", "sox", "sox", "sox"),
    SystemPart("chromium", "chromium", "chromium", "chromium"),
)
# A plug-in of ALSA is in no search path, so it is installed together with PulseAudio.
APT_WITH = {"pulseaudio": ("libasound2-plugins",)}


def add_missing(parts: tuple[SystemPart, ...]) -> None:
    """Install missing parts if permitted; otherwise print the command and continue.

    Raises:
        SetupError: the package manager failed.
    """
    missing = [part for part in parts if part.is_missing()] if sys.platform.startswith("linux") else []
    if not missing:
        return
    if shutil.which("apt-get") and (prefix := _root_prefix()) is not None:
        _apt_install(prefix, missing)
        return
    print(f"  Missing on this system: {', '.join(part.probe for part in missing)}.")
    print(f"  Install with: {_command(missing)}")


def _root_prefix() -> list[str] | None:
    """Prefix of a command that needs root; None if it would need a password."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        is_free = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
        return ["sudo", "-n"] if is_free else None
    return None


def _apt_names(parts: list[SystemPart]) -> list[str]:
    names = [name for part in parts for name in (part.apt, *APT_WITH.get(part.apt, ()))]
    return list(dict.fromkeys(names))


def _apt_install(prefix: list[str], parts: list[SystemPart]) -> None:
    names = _apt_names(parts)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *names]
    with Step(f"system packages: {', '.join(names)}") as step:
        # The present package lists are often good enough, and updating them takes longer than the installation.
        if run_quietly(install, step, environment, is_needed=False):
            return
        run_quietly([*prefix, "apt-get", "update"], step, environment, is_needed=False)
        if not run_quietly(install, step, environment, is_needed=False):
            raise SetupError(
                "The system packages could not be installed.", f"Run it by hand to see why: {_command(parts)}"
            )


def _command(parts: list[SystemPart]) -> str:
    """The command that installs these parts on this system."""
    if shutil.which("apt-get"):
        return f"sudo apt-get update && sudo apt-get install -y {' '.join(_apt_names(parts))}"
    if shutil.which("dnf"):
        return f"sudo dnf install -y {' '.join(dict.fromkeys(part.dnf for part in parts))}"
    if shutil.which("pacman"):
        return f"sudo pacman -S --needed {' '.join(dict.fromkeys(part.pacman for part in parts))}"
    return f"your package manager: the packages that provide {' '.join(part.probe for part in parts)}"
