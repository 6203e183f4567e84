"""Global hotkeys: they work while another program has the keyboard focus.

Under X11 the system delivers these keys alone. No keystroke is stored.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from avatar_app.contracts.errors import MissingExtraError, SettingsError, UserError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.browser import Action

log = logging.getLogger(__name__)

# Number of the F key, pressed with Ctrl and Shift, and its action of the control API.
COMMANDS: Mapping[int, str] = {
    4: "follow",
    5: "refresh-mic",
    6: "mute",
    7: "hide",
    8: "panic",
    9: "record",
    10: "snapshot",
}
NOTICE_KEY = "global-keys"


class Grab(Protocol):
    """An open listener."""

    def close(self) -> None:
        """Release the keys; a second call does nothing."""
        ...


OpenGrab = Callable[[tuple[int, ...], Callable[[int], object]], Grab]


class GlobalKeys:
    """Calls actions for global hotkeys. Thread: main; the actions are called on the listener's thread.

    Args:
        actions: of the control API by name; each may be called on any thread.
        notices: reports why the keys do not work.
        open_grab: starts to listen for F keys with Ctrl and Shift, given their numbers; replaced in tests.
    """

    def __init__(self, actions: Mapping[str, Action], notices: NoticeBoard, open_grab: OpenGrab | None = None) -> None:
        self._actions = actions
        self._notices = notices
        self._open_grab = open_grab or open_system_grab
        self._grab: Grab | None = None
        self._is_wanted = False

    @property
    def is_listening(self) -> bool:
        """Whether the listener is open."""
        return self._grab is not None

    def apply(self, *, is_wanted: bool) -> None:
        """Open or close the listener. A notice reports a failure once, until the setting changes."""
        if is_wanted == self._is_wanted:
            return
        self._is_wanted = is_wanted
        self._notices.clear(NOTICE_KEY)
        if not is_wanted:
            self.close()
            return
        try:
            self._grab = self._open_grab(tuple(COMMANDS), self._press)
        except UserError as error:
            self._notices.error(NOTICE_KEY, error, is_lasting=True)

    def close(self) -> None:
        """Release the keys; a second call does nothing."""
        if self._grab is not None:
            self._grab.close()
            self._grab = None

    def _press(self, number: int) -> None:
        log.info("key Ctrl+Shift+F%d: %s", number, COMMANDS[number])
        try:
            self._actions[COMMANDS[number]].call(None)
        except UserError as error:
            log.warning("key Ctrl+Shift+F%d: %s", number, error)


def open_system_grab(numbers: tuple[int, ...], pressed: Callable[[int], object]) -> Grab:
    """Listen with the API of this system.

    Args:
        numbers: of the F keys.
        pressed: called on another thread with the number of a key that was pressed with Ctrl and Shift.

    Raises:
        MissingExtraError: the package is not installed.
        SettingsError: the system does not allow it, or another program uses a key.
    """
    try:
        if not sys.platform.startswith("linux"):
            return _open_pynput(numbers, pressed)
        if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
            raise SettingsError(
                "Wayland does not support keys that work in every program.",
                "Bind keys to the control API in the settings of your desktop (see packaging/interfaces.md).",
            )
        from avatar_app.gui.control.x11_keys import X11Grab

        return X11Grab(numbers, pressed)
    except ImportError as error:
        raise MissingExtraError(
            "Keys that work in every program need an optional package.",
            "Install the keys extra: .venv/bin/pip install -e '.[keys]'",
        ) from error


def _open_pynput(numbers: tuple[int, ...], pressed: Callable[[int], object]) -> Grab:
    """Windows and macOS."""
    from pynput import keyboard

    def press(number: int) -> Callable[[], object]:
        return lambda: pressed(number)

    listener = keyboard.GlobalHotKeys({f"<ctrl>+<shift>+<f{number}>": press(number) for number in numbers})
    listener.start()
    # Only macOS has this attribute: the user must allow a program to receive keys.
    listener.wait()
    if not getattr(listener, "IS_TRUSTED", True):
        listener.stop()
        raise SettingsError(
            "macOS does not allow this program to receive keys.",
            "Allow it in System Settings, Privacy & Security, Accessibility. Then turn the keys on again.",
        )
    return _Listener(listener.stop)


class _Listener:
    """A listener of pynput."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    def close(self) -> None:
        """Release the keys; a second call does nothing."""
        self._stop()
