"""Real key presses, sent to a real X server by its test extension."""

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

if not sys.platform.startswith("linux") or shutil.which("Xvfb") is None:
    pytest.skip("no Xvfb: sudo apt-get install xvfb", allow_module_level=True)

from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

from avatar_app.contracts.errors import SettingsError
from avatar_app.gui.control.global_keys import open_system_grab
from avatar_app.gui.control.x11_keys import X11Grab

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def server():
    reads, writes = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=(writes,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writes)
    with os.fdopen(reads) as stream:
        number = stream.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait(10)


@pytest.fixture
def screen(server, monkeypatch):
    monkeypatch.setenv("DISPLAY", server)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    display = Display(server)
    yield Keyboard(display)
    display.close()


class Keyboard:
    """Somebody who presses keys, in no window at all."""

    def __init__(self, display):
        self.display = display

    def press(self, *names, held_s=0.0):
        codes = [self.display.keysym_to_keycode(getattr(XK, f"XK_{name}")) for name in names]
        for code in codes:
            xtest.fake_input(self.display, X.KeyPress, code)
        self.display.sync()
        time.sleep(held_s)
        for code in reversed(codes):
            xtest.fake_input(self.display, X.KeyRelease, code)
        self.display.sync()


class Heard:
    """Numbers of the keys that arrived."""

    def __init__(self):
        self.numbers = []
        self._came = threading.Condition()

    def __call__(self, number):
        with self._came:
            self.numbers.append(number)
            self._came.notify_all()

    def wait_for(self, *numbers):
        with self._came:
            self._came.wait_for(lambda: len(self.numbers) >= len(numbers), timeout=20)
        assert self.numbers == list(numbers)


def test_grab_when_keys_are_pressed_then_ours_arrive_and_no_others(screen):
    heard = Heard()
    grab = open_system_grab((6, 9), heard)
    try:
        screen.press("Control_L", "Shift_L", "F9")
        screen.press("F9")
        screen.press("Control_L", "Shift_L", "F7")
        screen.press("a")
        screen.press("Control_L", "Shift_L", "F6")
        heard.wait_for(9, 6)
    finally:
        grab.close()


def test_grab_when_caps_lock_is_on_then_the_key_arrives_all_the_same(screen):
    heard = Heard()
    grab = X11Grab((9,), heard)
    screen.press("Caps_Lock")
    try:
        screen.press("Control_L", "Shift_L", "F9")
        heard.wait_for(9)
    finally:
        screen.press("Caps_Lock")
        grab.close()


def test_grab_when_a_key_is_held_then_it_counts_once(screen):
    heard = Heard()
    grab = X11Grab((8, 9), heard)
    try:
        # The server begins to repeat after 660 ms, 25 times a second.
        screen.press("Control_L", "Shift_L", "F8", held_s=1.2)
        screen.press("Control_L", "Shift_L", "F9")
        heard.wait_for(8, 9)
    finally:
        grab.close()


def test_grab_when_another_program_has_the_key_then_says_which(screen):
    first = X11Grab((9,), print)
    try:
        with pytest.raises(SettingsError, match=r"already uses Ctrl\+Shift\+F9"):
            X11Grab((8, 9), print)
    finally:
        first.close()
    X11Grab((8, 9), print).close()


# python-xlib leaves its two failed sockets to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_grab_when_there_is_no_server_then_one_sentence(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(SettingsError, match="X server"):
        X11Grab((9,), print)
