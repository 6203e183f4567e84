"""Finds why the virtual camera does not work, and the command or setting that fixes it."""

from __future__ import annotations

from collections.abc import Iterator

from avatar_app.live.camera import findings_desktop, findings_linux
from avatar_app.live.camera.finding import OK, CameraFinding, ok, problem
from avatar_app.live.camera.probe import Probe, SystemProbe


def camera_findings(probe: Probe | None = None, *, wants_alpha: bool = False) -> list[CameraFinding]:
    """All findings about the virtual camera of this machine; opens it briefly. May take two seconds.

    Args:
        probe: queries the system; None for the real one.
        wants_alpha: whether transparency is wanted, which not every camera supports.
    """
    probe = probe or SystemProbe()
    if not probe.has_package():
        what_to_do = "To use it in meetings, install it: .venv/bin/pip install -e '.[camera]'"
        return [ok("not set up: the package pyvirtualcam is not installed", what_to_do)]
    return list(_of_system(probe, wants_alpha=wants_alpha))


def first_problem(probe: Probe | None = None, *, wants_alpha: bool = False) -> CameraFinding | None:
    """The first problem; None without one."""
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
        yield problem(f"There is no virtual camera for {probe.system}.", "Use the browser source in OBS instead.")
