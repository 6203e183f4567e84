"""Findings on Linux, where the kernel module v4l2loopback provides the camera."""

from __future__ import annotations

from collections.abc import Iterator

from avatar_app.live.camera.finding import CameraFinding, ok, problem
from avatar_app.live.camera.probe import Probe

MODULE = "v4l2loopback"
# `exclusive_caps`: Chrome, Zoom and others list only devices that report capture as their sole capability. Number 10
# leaves the lower ones to real cameras.
OPTIONS = "exclusive_caps=1 card_label=Avatar video_nr=10"
LOAD = f"sudo modprobe {MODULE} {OPTIONS}"
RELOAD = f"sudo modprobe -r {MODULE} && {LOAD}"
PERSIST = (
    f"echo {MODULE} | sudo tee /etc/modules-load.d/{MODULE}.conf && "
    f'echo "options {MODULE} {OPTIONS}" | sudo tee /etc/modprobe.d/{MODULE}.conf'
)
ENROL = "sudo mokutil --import /var/lib/dkms/mok.pub, restart and choose `Enroll MOK`"
# By the ID and ID_LIKE of /etc/os-release. Headers first: without them the module is not built.
INSTALL = {
    "debian": 'sudo apt install linux-headers-"$(uname -r)" v4l2loopback-dkms',
    "fedora": "sudo dnf install akmod-v4l2loopback (from RPM Fusion), then restart",
    "arch": "sudo pacman -S linux-headers v4l2loopback-dkms",
    "suse": "sudo zypper install v4l2loopback-kmp-default",
}
ALIASES = {"ubuntu": "debian", "rhel": "fedora", "opensuse": "suse"}
INSTALL_ANY = "Install the package v4l2loopback-dkms of your system"


def findings(probe: Probe) -> Iterator[CameraFinding]:
    """Findings, the first cause first; consequences of a cause are left out."""
    if not _is_loaded(probe):
        yield _not_loaded(probe)
        return
    devices = _devices(probe)
    if not devices:
        yield problem("The module v4l2loopback is loaded, but has no device.", f"Reload it: {RELOAD}", RELOAD)
        return
    yield from _of_devices(probe, devices)


def _is_loaded(probe: Probe) -> bool:
    loaded = (probe.read("/proc/modules") or "").splitlines()
    return any(line.split(" ", 1)[0] == MODULE for line in loaded)


def _devices(probe: Probe) -> list[str]:
    """Names of the loopback devices, such as `video10`, in order of creation."""
    # Only loopback devices have this file.
    found = probe.find("/sys/devices/virtual/video4linux/video*/max_openers")
    return sorted((path.split("/")[-2] for path in found), key=lambda name: int(name.removeprefix("video")))


def _not_loaded(probe: Probe) -> CameraFinding:
    if probe.run("modinfo", MODULE) is not None:
        return _refused_or_not_loaded(probe)
    other = sorted({path.split("/")[3] for path in probe.find(f"/lib/modules/*/**/{MODULE}.ko*")} - {probe.release})
    if other:
        return problem(
            f"The module v4l2loopback is installed for the kernel {other[-1]}, but {probe.release} runs.",
            f"Build it for this kernel: {_install(probe)} && sudo dkms autoinstall && {LOAD}. Or restart, if the kernel"
            " was updated since the last start.",
        )
    install = _install(probe)
    is_command = install not in (INSTALL["fedora"], INSTALL_ANY)
    if probe.find(f"/usr/src/{MODULE}-*"):
        build = f"{install} && sudo dkms autoinstall && {LOAD}"
        return problem(
            f"The module v4l2loopback was never built for the kernel {probe.release}; its headers are missing.",
            build,
            build if is_command else "",
        )
    return problem(
        "The kernel module v4l2loopback is not installed.",
        f"{install} && {LOAD}. {_how_to_persist()}",
        f"{install} && {LOAD} && {PERSIST}" if is_command else "",
    )


def _refused_or_not_loaded(probe: Probe) -> CameraFinding:
    """The module is installed for this kernel: either it was not loaded, or Secure Boot refused it."""
    is_secure = "enabled" in (probe.run("mokutil", "--sb-state") or "").lower()
    signer = (probe.run("modinfo", "-F", "signer", MODULE) or "").strip()
    if is_secure and not signer:
        return problem(
            "Secure Boot is on and the module v4l2loopback is not signed, so the kernel refuses it.",
            f"Sign it with a key of this machine: {ENROL}, then sudo dkms install"
            f" --force {MODULE} && {LOAD}. Or switch Secure Boot off.",
        )
    hint = f" If that says `Key was rejected`, {ENROL}." if is_secure else ""
    return problem(
        "The module v4l2loopback is installed but not loaded.",
        f"{LOAD}.{hint} {_how_to_persist()}",
        "" if is_secure else f"{LOAD} && {PERSIST}",
    )


def _of_devices(probe: Probe, devices: list[str]) -> Iterator[CameraFinding]:
    hidden = _without_exclusive_caps(probe, devices)
    if hidden:
        yield problem(
            f"{_paths(hidden)} was created without `exclusive_caps`: Chrome, Zoom and Teams do not list it.",
            RELOAD,
            RELOAD,
        )
    locked = [name for name in devices if not probe.can_write(f"/dev/{name}")]
    if locked == devices:
        yield problem(
            f"You have no permission to write to {_paths(locked)}.",
            'Join the group video: sudo usermod -aG video "$USER", then log out and in again.',
        )
        return
    yield from _opened(probe, [name for name in devices if name not in locked], is_listed=not hidden)


def _opened(probe: Probe, devices: list[str], *, is_listed: bool) -> Iterator[CameraFinding]:
    error = probe.open_error()
    if "busy" in error.lower() or "in use" in error.lower():
        users = sorted({user for name in devices for user in probe.users_of(f"/dev/{name}")})
        who = f"; it is open in {', '.join(users)}" if users else ""
        yield problem(
            f"Another program sends to {_paths(devices)}{who}.",
            "Stop the virtual camera there (in OBS: Stop Virtual Camera), or create a second device:"
            f" sudo modprobe -r {MODULE} && sudo modprobe {MODULE} devices=2 exclusive_caps=1,1 video_nr=10,11",
        )
    elif error:
        yield problem(error, f"Reload the module: {RELOAD}", RELOAD)
    elif is_listed:
        labels = [(probe.read(f"/sys/devices/virtual/video4linux/{name}/name") or "").strip() for name in devices]
        named = ", ".join(f"/dev/{name} ({label})" for name, label in zip(devices, labels, strict=True))
        yield ok(f"ready: {named}", "" if _loads_at_boot(probe) else _how_to_persist())


def _without_exclusive_caps(probe: Probe, devices: list[str]) -> list[str]:
    """Devices without it; the module lists Y or N for each device in order of creation."""
    caps = (probe.read(f"/sys/module/{MODULE}/parameters/exclusive_caps") or "").strip().split(",")
    return [name for name, cap in zip(devices, caps, strict=False) if cap in ("N", "0")]


def _loads_at_boot(probe: Probe) -> bool:
    """Whether the module is loaded at boot."""
    files = ("/etc/modules", *probe.find("/etc/modules-load.d/*.conf"), *probe.find("/usr/lib/modules-load.d/*.conf"))
    lines = [line.strip() for path in files for line in (probe.read(path) or "").splitlines()]
    return MODULE in lines


def _how_to_persist() -> str:
    return f"To load it at every boot: {PERSIST}"


def _install(probe: Probe) -> str:
    """The command that installs the module on this distribution."""
    fields = dict(line.split("=", 1) for line in (probe.read("/etc/os-release") or "").splitlines() if "=" in line)
    ids = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").lower().split()
    for name in ids:
        name = ALIASES.get(name.split("-")[0], name.split("-")[0])
        if name in INSTALL:
            return INSTALL[name]
    return INSTALL_ANY


def _paths(names: list[str]) -> str:
    return ", ".join(f"/dev/{name}" for name in names)
