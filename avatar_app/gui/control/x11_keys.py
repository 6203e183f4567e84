"""Global hotkeys under X11: the server sends the grabbed keys alone, whichever window has the focus.

Source: X Window System Protocol, version 11, GrabKey.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable
from typing import Any

from Xlib import XK, X, error
from Xlib.display import Display

from avatar_app.contracts.errors import SettingsError

CTRL_SHIFT = X.ControlMask | X.ShiftMask
# Caps Lock (Lock) and Num Lock (commonly Mod2) change the key, so each combination is grabbed.
LOCKS = (0, X.LockMask, X.Mod2Mask, X.LockMask | X.Mod2Mask)


class X11Grab:
    """Listens for F keys with Ctrl and Shift until it is closed. Thread: any; `pressed` is called on its own thread.

    Args:
        numbers: of the F keys.
        pressed: receives the number of a pressed key, once even if the key is held.

    Raises:
        SettingsError: there is no X server, or another program uses one of the keys.
    """

    def __init__(self, numbers: tuple[int, ...], pressed: Callable[[int], object]) -> None:
        try:
            self._display = Display()
        except (error.DisplayError, OSError) as problem:
            raise SettingsError(
                "Keys that work in every program need an X server.", "Start the program on a desktop."
            ) from problem
        self._pressed = pressed
        self._numbers = {self._display.keysym_to_keycode(getattr(XK, f"XK_F{number}")): number for number in numbers}
        self._released_at: dict[int, int] = {}
        try:
            self._grab()
        except SettingsError:
            self._display.close()
            raise
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="x11-keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Release the keys; a second call does nothing."""
        if self._thread.is_alive():
            os.write(self._wake_in, b".")
            self._thread.join()

    def _grab(self) -> None:
        root = self._display.screen().root
        taken: dict[int, error.CatchError] = {}
        for keycode, number in self._numbers.items():
            taken[number] = error.CatchError(error.BadAccess)
            for locks in LOCKS:
                root.grab_key(keycode, CTRL_SHIFT | locks, False, X.GrabModeAsync, X.GrabModeAsync, taken[number])
        self._display.sync()
        names = [f"Ctrl+Shift+F{number}" for number, problem in taken.items() if problem.get_error() is not None]
        if names:
            raise SettingsError(
                f"Another program already uses {', '.join(names)}.", "Free the key there, then turn the keys on again."
            )

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._display.fileno(), selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while True:
                while self._display.pending_events():
                    self._handle(self._display.next_event())
                if any(key.fd == self._wake_out for key, _ in selector.select()):
                    break
        self._display.close()
        os.close(self._wake_out)
        os.close(self._wake_in)

    def _handle(self, event: Any) -> None:
        if event.type == X.KeyRelease:
            self._released_at[event.detail] = event.time
        # A held key repeats as release and press with equal times.
        elif event.type == X.KeyPress and self._released_at.get(event.detail) != event.time:
            self._pressed(self._numbers[event.detail])
