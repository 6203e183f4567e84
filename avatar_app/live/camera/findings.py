"""What keeps the virtual camera from being seen, and the command or click that mends it."""

from __future__ import annotations

from collections.abc import Iterator

from avatar_app.live.camera import findings_desktop, findings_linux
from avatar_app.live.camera.finding import OK, CameraFinding, fine, wrong
from avatar_app.live.camera.probe import Probe, SystemProbe


def camera_findings(probe: Probe | None = None, *, wants_alpha: bool = False) -> list[CameraFinding]:
    """Everything about the virtual camera of this machine; opens it for a moment. May take a second or two.

    Args:
        probe: how to look; None for the real machine.
        wants_alpha: transparency is wanted, which not every camera can.
    """
    probe = probe or SystemProbe()
    if not probe.has_package():
        what_to_do = "To be seen in meetings, install it: .venv/bin/pip install -e '.[camera]'"
        return [fine("not set up: the package pyvirtualcam is not installed", what_to_do)]
    return list(_of_system(probe, wants_alpha=wants_alpha))


def first_trouble(probe: Probe | None = None, *, wants_alpha: bool = False) -> CameraFinding | None:
    """The first thing that is wrong; None when nothing is."""
    found = camera_findings(probe, wants_alpha=wants_alpha)
    return next((finding for finding in found if finding.health != OK), None)


def _of_system(probe: Probe, *, wants_alpha: bool) -> Iterator[CameraFinding]:
    if probe.system.startswith("linux"):
        yield from findings_linux.findings(probe)
    elif probe.system == "darwin":
        yield from findings_desktop.of_macos(probe)
    elif probe.system == "win32":
        yield from findings_desktop.of_windows(probe, wants_alpha=wants_alpha)
    else:
        yield wrong(f"There is no virtual camera for {probe.system}.", "Use the browser source in OBS instead.")
