"""Keys that work while another program, a game say, has the keyboard.

Only these keys are asked of the system where it allows that (X11); nothing that is typed is kept anywhere.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from avatar_app.contracts.errors import MissingExtraError, SettingsError, UserError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.live.browser import Action

log = logging.getLogger(__name__)

# Number of the F key, pressed with Ctrl and Shift, and the command of the control API that it gives.
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
    """Keys that are being listened for."""

    def close(self) -> None:
        """Give them back; twice is fine."""
        ...


OpenGrab = Callable[[tuple[int, ...], Callable[[int], object]], Grab]


class GlobalKeys:
    """Turns keys into commands while the user wants it. Thread: main; commands are given on the listener's thread.

    Args:
        actions: commands of the control API by name; each may be called on any thread.
        notices: where a reason for not listening is told.
        open_grab: begins to listen for F keys with Ctrl and Shift, given their numbers; a test's seam.
    """

    def __init__(self, actions: Mapping[str, Action], notices: NoticeBoard, open_grab: OpenGrab | None = None) -> None:
        self._actions = actions
        self._notices = notices
        self._open_grab = open_grab or open_system_grab
        self._grab: Grab | None = None
        self._is_wanted = False

    @property
    def is_listening(self) -> bool:
        """Whether the keys work."""
        return self._grab is not None

    def apply(self, *, is_wanted: bool) -> None:
        """Listen, or give the keys back. What hinders it becomes a notice, once for each time it is wanted."""
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
            self._notices.post(Notice.from_error(NOTICE_KEY, error, is_lasting=True))

    def close(self) -> None:
        """Give the keys back; twice is fine."""
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
    """Listen by the means of this system.

    Args:
        numbers: of F keys.
        pressed: called on another thread with the number of a key that went down together with Ctrl and Shift.

    Raises:
        MissingExtraError: the package that does it is not installed.
        SettingsError: the system lets no program do this, or another one has the key.
    """
    try:
        if not sys.platform.startswith("linux"):
            return _open_pynput(numbers, pressed)
        if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
            raise SettingsError(
                "Wayland lets no program hear keys that are meant for another one.",
                "Give the keys in your desktop's own settings to the control API (packaging/interfaces.md).",
            )
        from avatar_app.gui.control.x11_keys import X11Grab

        return X11Grab(numbers, pressed)
    except ImportError as error:
        raise MissingExtraError(
            "Keys that work in every program need a package that is not installed.",
            "Install the keys extra: .venv/bin/pip install -e '.[keys]'",
        ) from error


def _open_pynput(numbers: tuple[int, ...], pressed: Callable[[int], object]) -> Grab:
    """Windows and macOS."""
    from pynput import keyboard

    def press(number: int) -> Callable[[], object]:
        return lambda: pressed(number)

    listener = keyboard.GlobalHotKeys({f"<ctrl>+<shift>+<f{number}>": press(number) for number in numbers})
    listener.start()
    # macOS hands keys only to programs that the user allowed to have them; elsewhere there is no such attribute.
    listener.wait()
    if not getattr(listener, "IS_TRUSTED", True):
        listener.stop()
        raise SettingsError(
            "macOS does not let this program hear keys yet.",
            "Allow it in System Settings, Privacy & Security, Accessibility, then switch it on again.",
        )
    return _Listener(listener.stop)


class _Listener:
    """A listener of pynput's."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    def close(self) -> None:
        """Give the keys back; twice is fine."""
        self._stop()
