"""The entry that starts the program at log-in."""

import configparser
import plistlib
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from avatar_app.contracts.errors import OutputError
from avatar_app.settings import autostart as module
from avatar_app.settings.autostart import FileEntry, RegistryEntry, autostart, desktop_entry
from avatar_app.settings.paths import ProfilePaths


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder is that of XDG desktops")
def test_autostart_when_turned_on_then_the_entry_has_a_command_that_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    entry = autostart(ProfilePaths(tmp_path / "my profile"))
    assert not entry.is_on()
    entry.turn(is_on=True)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(tmp_path / "config" / "autostart" / "avatar-app.desktop")
    assert dict(parser["Desktop Entry"])["Type"] == "Application"
    command = shlex.split(parser["Desktop Entry"]["Exec"])
    assert command == [sys.executable, "-m", "avatar_app", "--profile-dir", str(tmp_path / "my profile")]
    assert entry.is_on()
    entry.turn(is_on=False)
    entry.turn(is_on=False)
    assert not entry.is_on() and not list((tmp_path / "config" / "autostart").iterdir())


def test_desktop_entry_when_a_path_has_special_characters_then_they_are_escaped_as_the_specification_says():
    line = desktop_entry(["/a b/$x", "100%", 'say "hi"', "back\\slash"]).decode().splitlines()[3]
    assert line == r'Exec="/a b/\\$x" "100%%" "say \\"hi\\"" "back\\\\slash"'


def test_entry_when_it_names_another_folder_then_it_counts_as_off_and_can_be_renewed(tmp_path):
    FileEntry(tmp_path / "entry", b"old").turn(is_on=True)
    entry = FileEntry(tmp_path / "entry", b"new")
    assert not entry.is_on()
    entry.turn(is_on=True)
    assert entry.is_on()


def test_entry_when_the_folder_cannot_be_written_then_says_what_to_do(tmp_path):
    (tmp_path / "folder").write_text("a file in the way")
    with pytest.raises(OutputError, match="start at log-in"):
        FileEntry(tmp_path / "folder" / "entry", b"").turn(is_on=True)


def test_launch_agent_when_read_by_the_system_then_starts_the_command_at_log_in(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    entry = autostart(ProfilePaths())
    agent = plistlib.loads(entry._content)
    assert agent["ProgramArguments"] == [sys.executable, "-m", "avatar_app"] and agent["RunAtLoad"] is True
    assert entry.file.parent == Path.home() / "Library" / "LaunchAgents"


class FakeRegistry:
    """One key of the registry with the interface of `winreg`."""

    HKEY_CURRENT_USER, REG_SZ = "HKCU", 1

    def __init__(self):
        self.values = {}

    def OpenKey(self, root, path):  # noqa: N802 - its name there
        assert (root, path) == ("HKCU", module.WINDOWS_KEY)
        return self

    CreateKey = OpenKey

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def QueryValueEx(self, key, name):  # noqa: N802 - its name there
        if name not in self.values:
            raise FileNotFoundError(2, "not there")
        return self.values[name], self.REG_SZ

    def SetValueEx(self, key, name, reserved, kind, value):  # noqa: N802 - its name there
        self.values[name] = value

    def DeleteValue(self, key, name):  # noqa: N802 - its name there
        if self.values.pop(name, None) is None:
            raise FileNotFoundError(2, "not there")


def test_registry_when_switched_then_the_value_is_set_and_deleted(monkeypatch, tmp_path):
    registry = FakeRegistry()
    monkeypatch.setattr(module, "winreg", registry)
    (tmp_path / "pythonw.exe").touch()
    entry = RegistryEntry([str(tmp_path / "python.exe"), "-m", "avatar_app"])
    assert not entry.is_on()
    entry.turn(is_on=True)
    assert entry.is_on() and registry.values == {"avatar-app": f"{tmp_path / 'pythonw.exe'} -m avatar_app"}
    entry.turn(is_on=False)
    entry.turn(is_on=False)
    assert not entry.is_on()


def test_registry_when_it_denies_access_then_says_what_to_do(monkeypatch):
    refusing = SimpleNamespace(**{name: getattr(FakeRegistry, name) for name in ("HKEY_CURRENT_USER", "REG_SZ")})

    def refuse(*_):
        raise PermissionError(13, "denied")

    refusing.CreateKey = refusing.OpenKey = refuse
    monkeypatch.setattr(module, "winreg", refusing)
    entry = RegistryEntry(["python.exe", "-m", "avatar_app"])
    assert not entry.is_on()
    with pytest.raises(OutputError, match="denied"):
        entry.turn(is_on=True)
