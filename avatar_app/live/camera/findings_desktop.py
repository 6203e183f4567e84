"""Findings on macOS and Windows, where OBS provides the camera, on Windows also Unity Capture."""

from __future__ import annotations

import re
from collections.abc import Iterator

from avatar_app.live.camera.finding import CameraFinding, ok, problem
from avatar_app.live.camera.probe import Probe

OBS_MACOS = "/Applications/OBS.app"
OBS_EXTENSION = "com.obsproject.obs-studio.mac-camera-extension"
MIN_OBS_MACOS = 30
ONCE = "Start OBS, click `Start Virtual Camera`, then `Stop Virtual Camera`, and quit OBS"
GET_OBS = "Install OBS from obsproject.com"
ALLOW = (
    "Open System Settings > General > Login Items & Extensions > Camera Extensions (before macOS 15: Privacy &"
    " Security), allow OBS, and restart the Mac if it asks for it"
)

# Class ids of the cameras of OBS and Unity Capture, for 64-bit programs.
OBS_CLASS = "{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
UNITY_CLASS = "{5C2CD55C-92AD-4999-8666-912BD3E70010}"
OBS_WINDOWS = r"C:\Program Files\obs-studio"
REGISTER = rf"{OBS_WINDOWS}\data\obs-plugins\win-dshow\virtualcam-install.bat"
UNITY_PAGE = "https://github.com/schellingb/UnityCapture"
IN_USE = (
    "OBS locks its camera while it sends to it. In OBS, click `Stop Virtual Camera`, or add the avatar there as a"
    " browser source and use the camera of OBS."
)


def of_macos(probe: Probe) -> Iterator[CameraFinding]:
    """Findings on macOS, the first cause first."""
    if not probe.find(OBS_MACOS):
        yield problem(
            "OBS, which provides the virtual camera, is not installed.", f"Install OBS from obsproject.com. {ONCE}."
        )
        return
    version = (probe.run("defaults", "read", f"{OBS_MACOS}/Contents/Info", "CFBundleShortVersionString") or "").strip()
    major = re.match(r"\d+", version)
    if major and int(major[0]) < MIN_OBS_MACOS:
        yield problem(
            f"OBS {version} is too old to share its camera.", f"Install OBS {MIN_OBS_MACOS} or later. {ONCE}."
        )
        return
    state = _extension(probe)
    if state == "":
        yield problem("The camera of OBS was never started, so macOS has not registered it.", f"{ONCE}. {ALLOW}.")
    elif "enabled" not in state:
        yield problem(f"macOS has not allowed the camera of OBS ({state}).", f"{ALLOW}.")
    else:
        yield from _opened(probe, "OBS Virtual Camera")


def _extension(probe: Probe) -> str:
    """State of the camera extension of OBS, such as `activated waiting for user`; "" when it is not registered."""
    listed = probe.run("systemextensionsctl", "list") or ""
    states = [re.findall(r"\[([^]]*)\]", line) for line in listed.splitlines() if OBS_EXTENSION in line]
    # An older version that waits for its removal is listed too.
    found = [state[-1] for state in states if state]
    return next((state for state in found if "enabled" in state), found[-1] if found else "")


def of_windows(probe: Probe, *, wants_alpha: bool) -> Iterator[CameraFinding]:
    """Findings on Windows, the first cause first."""
    has_obs, has_unity = probe.has_class(OBS_CLASS), probe.has_class(UNITY_CLASS)
    if not has_unity and wants_alpha:
        yield problem(
            "Unity Capture, the only camera that keeps transparency, is not installed.",
            f"Download it from {UNITY_PAGE} and run Install.bat in its folder Install as administrator.",
        )
    if has_obs or has_unity:
        yield from _opened(probe, " and ".join(["OBS Virtual Camera"] * has_obs + ["Unity Capture"] * has_unity))
    elif probe.find(rf"{OBS_WINDOWS}\bin\64bit\obs64.exe"):
        yield problem("OBS is installed, but its camera is not registered.", f"Run as administrator: {REGISTER}")
    else:
        yield problem(
            "There is no virtual camera: neither OBS nor Unity Capture is installed.",
            f"{GET_OBS}, or Unity Capture, which keeps transparency, from {UNITY_PAGE}.",
        )


def _opened(probe: Probe, names: str) -> Iterator[CameraFinding]:
    error = probe.open_error()
    if not error:
        yield ok(f"ready: {names}")
    elif any(part in error for part in ("could not be started", "Couldn't start stream", "Multiple cameras")):
        yield problem("The virtual camera is in use by OBS itself or by another program.", IN_USE)
    else:
        yield problem(error, f"{ONCE}, then run `avatar-app doctor` again.")
