"""The camera on macOS and Windows: OBS brings it, and on Windows Unity Capture too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from avatar_app.live.camera.finding import CameraFinding, fine, wrong
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

# The class under which OBS registers its camera, and the first of Unity Capture's, for 64-bit programs.
OBS_CLASS = "{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
UNITY_CLASS = "{5C2CD55C-92AD-4999-8666-912BD3E70010}"
OBS_WINDOWS = r"C:\Program Files\obs-studio"
REGISTER = rf"{OBS_WINDOWS}\data\obs-plugins\win-dshow\virtualcam-install.bat"
UNITY_PAGE = "https://github.com/schellingb/UnityCapture"
TAKEN = (
    "OBS has its camera to itself while it feeds it. In OBS, click `Stop Virtual Camera`, or show the avatar there as"
    " a browser source and let OBS be the camera."
)


def of_macos(probe: Probe) -> Iterator[CameraFinding]:
    """What is wrong on a Mac, the first cause first."""
    if not probe.find(OBS_MACOS):
        yield wrong(
            "OBS, which brings the virtual camera, is not installed.", f"Install OBS from obsproject.com. {ONCE}."
        )
        return
    version = (probe.run("defaults", "read", f"{OBS_MACOS}/Contents/Info", "CFBundleShortVersionString") or "").strip()
    major = re.match(r"\d+", version)
    if major and int(major[0]) < MIN_OBS_MACOS:
        yield wrong(f"OBS {version} is too old to share its camera.", f"Install OBS {MIN_OBS_MACOS} or later. {ONCE}.")
        return
    state = _extension(probe)
    if state == "":
        yield wrong("The camera of OBS was never started, so macOS does not know it.", f"{ONCE}. {ALLOW}.")
    elif "enabled" not in state:
        yield wrong(f"macOS has not allowed the camera of OBS ({state}).", f"{ALLOW}.")
    else:
        yield from _opened(probe, "OBS Virtual Camera")


def _extension(probe: Probe) -> str:
    """What macOS says of OBS's camera extension, as `activated waiting for user`; "" when it does not know it."""
    listed = probe.run("systemextensionsctl", "list") or ""
    states = [re.findall(r"\[([^]]*)\]", line) for line in listed.splitlines() if OBS_EXTENSION in line]
    # An older version that waits to be removed is listed beside the newer one.
    found = [state[-1] for state in states if state]
    return next((state for state in found if "enabled" in state), found[-1] if found else "")


def of_windows(probe: Probe, *, wants_alpha: bool) -> Iterator[CameraFinding]:
    """What is wrong on Windows, the first cause first."""
    has_obs, has_unity = probe.has_class(OBS_CLASS), probe.has_class(UNITY_CLASS)
    if not has_unity and wants_alpha:
        yield wrong(
            "Unity Capture, the only camera that keeps transparency, is not installed.",
            f"Download it from {UNITY_PAGE} and run Install.bat in its folder Install as administrator.",
        )
    if has_obs or has_unity:
        yield from _opened(probe, " and ".join(["OBS Virtual Camera"] * has_obs + ["Unity Capture"] * has_unity))
    elif probe.find(rf"{OBS_WINDOWS}\bin\64bit\obs64.exe"):
        yield wrong("OBS is installed, but its camera is not registered.", f"Run as administrator: {REGISTER}")
    else:
        yield wrong(
            "There is no virtual camera: neither OBS nor Unity Capture is installed.",
            f"{GET_OBS}, or Unity Capture, which keeps transparency, from {UNITY_PAGE}.",
        )


def _opened(probe: Probe, names: str) -> Iterator[CameraFinding]:
    error = probe.open_error()
    if not error:
        yield fine(f"ready: {names}")
    elif any(said in error for said in ("could not be started", "Couldn't start stream", "Multiple cameras")):
        yield wrong("The virtual camera is in use by OBS itself or by another program.", TAKEN)
    else:
        yield wrong(error, f"{ONCE}, then look again.")
