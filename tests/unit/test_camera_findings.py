"""Every problem of a virtual camera, on systems that a test describes."""

import subprocess
import sys

import pytest

from avatar_app.live.camera import CameraFinding, camera_findings
from avatar_app.live.camera.findings import first_problem
from avatar_app.live.camera.findings_desktop import OBS_CLASS, OBS_MACOS, UNITY_CLASS
from avatar_app.live.camera.probe import SystemProbe
from tests.fakes.camera import FakeProbe

LOAD = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=Avatar video_nr=10"
KERNEL = "6.1.0-28-amd64"
DEBIAN = {"/etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\n'}
LOADED = {
    "/proc/modules": "snd_seq 94208 1 - Live 0x0\nv4l2loopback 57344 0 - Live 0x0 (OE)\n",
    "/sys/module/v4l2loopback/parameters/exclusive_caps": "Y,N,N,N,N,N,N,N\n",
    "/sys/devices/virtual/video4linux/video10/name": "Avatar\n",
}
MADE = {"/sys/devices/virtual/video4linux/video*/max_openers": ["/sys/devices/virtual/video4linux/video10/max_openers"]}
OTHER_KERNEL = "/lib/modules/6.1.0-27-amd64/updates/dkms/v4l2loopback.ko.xz"


def linux(files=None, **answers):
    answers = {"writable": ("/dev/video10",), "found": MADE, **answers}
    return FakeProbe("linux", KERNEL, files={**LOADED, **(files or {})}, **answers)


def bare(**answers):
    """A Linux system without the module."""
    return FakeProbe("linux", KERNEL, files={**DEBIAN, **answers.pop("files", {})}, **answers)


SIGNED = {"modinfo v4l2loopback": "filename: ...", "modinfo -F signer v4l2loopback": "DKMS module signing key\n"}
UNSIGNED = {"modinfo v4l2loopback": "filename: ...", "modinfo -F signer v4l2loopback": "\n"}
SECURE = {"mokutil --sb-state": "SecureBoot enabled\n"}

LINUX_PROBLEMS = {
    "not installed": (bare(), "not installed", ["apt install", "v4l2loopback-dkms", LOAD, "modules-load.d"]),
    "not installed, fedora": (
        bare(files={"/etc/os-release": "ID=nobara\nID_LIKE=fedora\n"}),
        "not installed",
        ["akmod-v4l2loopback", LOAD],
    ),
    "not installed, unknown": (bare(files={"/etc/os-release": ""}), "not installed", ["of your system", LOAD]),
    "not loaded": (bare(outputs=UNSIGNED), "installed but not loaded", [LOAD, "/etc/modprobe.d/v4l2loopback.conf"]),
    "not loaded, signed, secure": (bare(outputs={**SIGNED, **SECURE}), "not loaded", [LOAD, "Key was rejected"]),
    "secure boot": (bare(outputs={**UNSIGNED, **SECURE}), "Secure Boot", ["mokutil --import", "Enroll MOK", LOAD]),
    "other kernel": (
        bare(found={"/lib/modules/*/**/v4l2loopback.ko*": [OTHER_KERNEL]}),
        f"for the kernel 6.1.0-27-amd64, but {KERNEL} runs",
        ["linux-headers", "dkms autoinstall", LOAD],
    ),
    "never built": (
        bare(found={"/usr/src/v4l2loopback-*": ["/usr/src/v4l2loopback-0.12.7"]}),
        "never built",
        ["linux-headers", "dkms autoinstall"],
    ),
    "no device": (linux(found={}), "has no device", ["modprobe -r v4l2loopback", LOAD]),
    "exclusive_caps": (
        linux({"/sys/module/v4l2loopback/parameters/exclusive_caps": "N,N,N\n"}),
        "/dev/video10 was created without `exclusive_caps`",
        ["modprobe -r v4l2loopback", LOAD],
    ),
    "permission": (linux(writable=()), "no permission to write to /dev/video10", ["usermod -aG video", "log out"]),
    "busy": (
        linux(
            error="... /dev/video10 could not be configured: Device or resource busy", users={"/dev/video10": ("obs",)}
        ),
        "Another program sends to /dev/video10; it is open in obs",
        ["Stop Virtual Camera", "devices=2 exclusive_caps=1,1"],
    ),
    "other error": (linux(error="Strange thing."), "Strange thing.", [LOAD]),
}


@pytest.mark.parametrize("name", LINUX_PROBLEMS)
def test_linux_when_there_is_a_problem_then_cause_and_command_are_reported(name):
    probe, cause, fixes = LINUX_PROBLEMS[name]
    (found,) = camera_findings(probe)
    assert (found.name, found.health) == ("virtual camera", "warning")
    assert cause in found.text
    for fix in fixes:
        assert fix in found.what_to_do
    assert first_problem(probe) == found


def test_linux_when_ready_then_ok_and_how_to_load_it_at_boot():
    (found,) = camera_findings(linux())
    assert (found.health, found.text) == ("ok", "ready: /dev/video10 (Avatar)")
    assert "modules-load.d" in found.what_to_do
    assert first_problem(linux()) is None


@pytest.mark.parametrize("name", LINUX_PROBLEMS)
def test_linux_when_a_command_fixes_it_then_it_is_one_line(name):
    (found,) = camera_findings(LINUX_PROBLEMS[name][0])
    by_hand = {"not installed, fedora", "not installed, unknown", "not loaded, signed, secure", "secure boot"}
    by_hand |= {"other kernel", "permission", "busy"}
    assert bool(found.command) is (name not in by_hand)
    if found.command:
        subprocess.run(["bash", "-n", "-c", found.command], check=True)
        assert LOAD in found.command and "\n" not in found.command


def test_linux_when_loaded_at_boot_then_nothing_to_do():
    kept = linux({"/etc/modules": "# modules\nv4l2loopback\n"})
    assert camera_findings(kept) == [CameraFinding("virtual camera", "ok", "ready: /dev/video10 (Avatar)")]


def test_linux_when_second_device_was_made_without_exclusive_caps_then_that_one_is_named():
    base = "/sys/devices/virtual/video4linux"
    two = {f"{base}/video*/max_openers": [f"{base}/video10/max_openers", f"{base}/video9/max_openers"]}
    (found,) = camera_findings(linux(found=two, writable=("/dev/video9", "/dev/video10")))
    # Made in the order of their numbers, so the list of the module says Y for video9 and N for video10.
    assert found.text.startswith("/dev/video10 was created without")


def macos(listed="", version="30.1.2\n", error="", has_obs=True):
    outputs = {
        f"defaults read {OBS_MACOS}/Contents/Info CFBundleShortVersionString": version,
        "systemextensionsctl list": listed,
    }
    return FakeProbe("darwin", found={OBS_MACOS: [OBS_MACOS]} if has_obs else {}, outputs=outputs, error=error)


LINE = "*\t*\t2MMRE5MTB8\tcom.obsproject.obs-studio.mac-camera-extension (30.1.2/1)\tOBS Virtual Camera\t[{}]\n"
ENABLED = LINE.format("activated enabled")


@pytest.mark.parametrize(
    ("probe", "cause", "fix"),
    [
        (macos(has_obs=False), "not installed", "obsproject.com"),
        (macos(version="29.1.3\n"), "OBS 29.1.3 is too old", "OBS 30 or later"),
        (macos(), "never started", "Start Virtual Camera"),
        (macos(LINE.format("activated waiting for user")), "not allowed", "Camera Extensions"),
        (macos(ENABLED, error="(obs: Couldn't start stream)"), "in use by OBS", "Stop Virtual Camera"),
        (macos(ENABLED, error="(obs: Stream not found)"), "Stream not found", "Start Virtual Camera"),
    ],
)
def test_macos_when_there_is_a_problem_then_cause_and_setting_are_reported(probe, cause, fix):
    (found,) = camera_findings(probe)
    assert found.health == "warning"
    assert cause in found.text
    assert fix in found.what_to_do


def test_macos_when_an_older_extension_waits_for_removal_then_the_enabled_one_counts():
    listed = LINE.format("terminated waiting to uninstall on reboot") + ENABLED
    assert [found.health for found in camera_findings(macos(listed))] == ["ok"]


def windows(*classes, error="", has_obs=False):
    found = {r"C:\Program Files\obs-studio\bin\64bit\obs64.exe": ["x"]} if has_obs else {}
    return FakeProbe("win32", classes=classes, error=error, found=found)


@pytest.mark.parametrize(
    ("probe", "cause", "fix"),
    [
        (windows(), "neither OBS nor Unity Capture", "obsproject.com"),
        (windows(has_obs=True), "not registered", "virtualcam-install.bat"),
        (windows(OBS_CLASS, error="(obs: virtual camera output could not be started)"), "in use", "browser source"),
        (windows(OBS_CLASS, error="Strange thing."), "Strange thing.", "OBS"),
    ],
)
def test_windows_when_there_is_a_problem_then_cause_and_setting_are_reported(probe, cause, fix):
    (found,) = camera_findings(probe)
    assert found.health == "warning"
    assert cause in found.text
    assert fix in found.what_to_do


def test_windows_when_alpha_is_wanted_then_unity_capture_is_recommended():
    first, second = camera_findings(windows(OBS_CLASS), wants_alpha=True)
    assert (first.health, second.text) == ("warning", "ready: OBS Virtual Camera")
    assert "Unity Capture" in first.text
    assert [f.health for f in camera_findings(windows(OBS_CLASS))] == ["ok"]
    (both,) = camera_findings(windows(OBS_CLASS, UNITY_CLASS), wants_alpha=True)
    assert both.text == "ready: OBS Virtual Camera and Unity Capture"


@pytest.mark.parametrize("system", ["linux", "darwin", "win32", "freebsd14"])
def test_package_when_not_installed_then_no_warning_but_how_to_install_it(system):
    (found,) = camera_findings(FakeProbe(system, package=False))
    assert found.health == "ok"
    assert found.text.startswith("not set up")
    assert "[camera]" in found.what_to_do


def test_system_when_it_has_no_driver_then_alternative_is_named():
    (found,) = camera_findings(FakeProbe("freebsd14"))
    assert "browser source" in found.what_to_do


def test_probe_when_used_on_this_machine_then_does_not_raise(tmp_path):
    probe = SystemProbe()
    file = tmp_path / "camera"
    assert probe.system == sys.platform
    assert probe.read(str(file)) is None
    file.write_text("x")
    assert (probe.read(str(file)), probe.find(str(tmp_path / "*")), probe.can_write(str(file))) == (
        "x",
        (str(file),),
        True,
    )
    assert probe.run("no-such-command-anywhere") is None
    assert probe.run("false") is None
    assert probe.run("echo", "there") == "there\n"
    assert probe.users_of(str(file)) == ()
    assert not probe.has_class("{nothing}") or sys.platform == "win32"


def test_findings_when_of_this_machine_then_at_least_one_and_none_failed():
    found = camera_findings()
    assert found
    assert {finding.health for finding in found} <= {"ok", "warning"}
    assert all(finding.what_to_do for finding in found if finding.health == "warning")
