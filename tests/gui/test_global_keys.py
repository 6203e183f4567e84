"""Keys that work while another program has the keyboard."""

import sys
from types import SimpleNamespace

import pytest

from avatar_app.contracts.errors import MissingExtraError, SettingsError
from avatar_app.gui.control.global_keys import COMMANDS, GlobalKeys, open_system_grab
from avatar_app.gui.control.remote import Remote


class FakeGrab:
    """Keys that a test presses."""

    def __init__(self, numbers, pressed):
        self.numbers, self.pressed = numbers, pressed
        self.is_open = True

    def close(self):
        self.is_open = False


@pytest.fixture
def calls():
    return []


def actions(calls):
    def action(name):
        return SimpleNamespace(call=lambda value: calls.append((name, value)))

    return {name: action(name) for name in COMMANDS.values()}


def test_commands_when_listed_then_the_control_api_has_all():
    assert set(COMMANDS.values()) <= set(Remote().actions())


def test_keys_when_turned_on_then_each_calls_its_action_until_turned_off(calls, notices):
    grabs = []

    def open_grab(numbers, pressed):
        grabs.append(FakeGrab(numbers, pressed))
        return grabs[-1]

    keys = GlobalKeys(actions(calls), notices, open_grab)
    keys.apply(is_wanted=False)
    assert not grabs
    keys.apply(is_wanted=True)
    keys.apply(is_wanted=True)
    assert len(grabs) == 1 and keys.is_listening
    for number in grabs[0].numbers:
        grabs[0].pressed(number)
    assert calls == [(name, None) for name in COMMANDS.values()]
    keys.apply(is_wanted=False)
    assert not grabs[0].is_open and not keys.is_listening


def test_keys_when_the_listener_fails_then_one_notice_until_turned_off(calls, notices):
    def refuse(numbers, pressed):
        raise SettingsError("Another program has Ctrl+Shift+F9 already.", "Free it.")

    keys = GlobalKeys(actions(calls), notices, refuse)
    keys.apply(is_wanted=True)
    assert [notice.text for notice in notices.current()] == ["Another program has Ctrl+Shift+F9 already."]
    keys.apply(is_wanted=False)
    assert notices.current() == ()


def test_system_grab_when_the_package_is_missing_then_names_the_extra(monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "avatar_app.gui.control.x11_keys", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[keys\]'"):
        open_system_grab((9,), print)


def test_system_grab_when_on_wayland_then_names_the_control_api(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(SettingsError, match="control API"):
        open_system_grab((9,), print)


class FakeHotKeys:
    """As `pynput.keyboard.GlobalHotKeys`, which the machines of the tests do not have."""

    made = None
    IS_TRUSTED = True

    def __init__(self, hotkeys):
        type(self).made = self
        self.hotkeys, self.is_running = hotkeys, False

    def start(self):
        self.is_running = True

    def wait(self):
        assert self.is_running

    def stop(self):
        self.is_running = False


@pytest.fixture
def pynput(monkeypatch):
    module = SimpleNamespace(GlobalHotKeys=FakeHotKeys)
    monkeypatch.setitem(sys.modules, "pynput", SimpleNamespace(keyboard=module))
    monkeypatch.setattr(sys, "platform", "win32")
    return FakeHotKeys


def test_system_grab_when_on_windows_then_pynput_listens_until_closed(pynput):
    pressed = []
    grab = open_system_grab((8, 9), pressed.append)
    pynput.made.hotkeys["<ctrl>+<shift>+<f9>"]()
    assert pressed == [9] and set(pynput.made.hotkeys) == {"<ctrl>+<shift>+<f8>", "<ctrl>+<shift>+<f9>"}
    grab.close()
    assert not pynput.made.is_running


def test_system_grab_when_macos_denies_access_then_names_the_setting(pynput, monkeypatch):
    monkeypatch.setattr(pynput, "IS_TRUSTED", False)
    with pytest.raises(SettingsError, match="Accessibility"):
        open_system_grab((9,), print)
    assert not pynput.made.is_running
