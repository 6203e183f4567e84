"""What a stream deck may ask for: commands of the control API, carried to the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from PySide6.QtCore import QObject, Qt, Signal

from avatar_app.contracts.errors import UserError
from avatar_app.gui.ports import Told
from avatar_app.gui.window import Window
from avatar_app.live.browser import Action, Argument, State
from avatar_app.settings.schema import LOOKAHEADS_MS, Settings

MAX_WAITING = 16
Value: TypeAlias = bool | float | str | None


class Remote(QObject):
    """The window's commands for other threads.

    Thread: made and attached on the main thread; actions and `state` may be called on any. An action is answered at
    once and done soon after, by the main thread: whoever asks never waits for the window.

    Signals:
        asked(object): something to be done on the main thread.
    """

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._window: Window | None = None
        self._state: State = {}
        self._places = threading.Semaphore(MAX_WAITING)
        self.asked.connect(self._do, Qt.ConnectionType.QueuedConnection)

    def attach(self, window: Window) -> None:
        """Carry commands to this window from now on."""
        self._window = window

    def note(self, told: Told) -> None:
        """Keep what clients are told; called by the main thread whenever it may have changed."""
        self._state = {
            "running": told.is_running,
            "muted": told.settings.is_muted,
            "hidden": told.is_hidden,
            "recording": told.is_recording,
            "following": told.settings.is_following,
            "camera": told.settings.is_camera_on,
            "look_ahead_ms": told.settings.lookahead_ms,
        }

    def state(self) -> State:
        """What is so now."""
        return self._state

    def actions(self) -> Mapping[str, Action]:
        """All commands by name."""
        switch, none = Argument.SWITCH, Argument.NONE
        listed = (
            Action("run", "Starts the avatar, or stops it.", switch, self._switch(_is_running, Window.set_running)),
            Action("mute", "Stops listening; the face rests.", switch, self._switch(_is_muted, _mute)),
            Action(
                "hide", "Shows only what stands behind the avatar.", switch, self._switch(_is_hidden, Window.set_hidden)
            ),
            Action("record", "Records picture and voice.", switch, self._switch(_is_recording, Window.set_recording)),
            Action("camera", "Turns the virtual camera on or off.", switch, self._switch(_is_camera_on, _camera)),
            Action(
                "follow", "Has her head follow the webcam, or cuts it.", switch, self._switch(_is_following, _follow)
            ),
            Action("snapshot", "Keeps the next picture.", none, self._command(Window.take_snapshot)),
            Action(
                "panic", "Mutes at once, whatever was so before; `mute` comes back.", none, self._command(Window.panic)
            ),
            Action("refresh-mic", "Opens the microphone anew.", none, self._command(Window.refresh_mic)),
            Action("look-ahead", f"Milliseconds, one of {LOOKAHEADS_MS}.", Argument.NUMBER, self._look_ahead),
        )
        return {action.name: action for action in listed}

    def _switch(
        self, is_so: Callable[[Window], bool], turn: Callable[[Window, bool], object]
    ) -> Callable[[Value], object]:
        """Turn something on or off; without a value, the other way round than it is when the window does it."""

        def call(value: Value) -> None:
            self._ask(lambda window: turn(window, not is_so(window) if value is None else bool(value)))

        return call

    def _command(self, command: Callable[[Window], object]) -> Callable[[Value], object]:
        return lambda _: self._ask(command)

    def _look_ahead(self, value: Value) -> None:
        # Checked here, so that the answer can say what is wrong.
        wanted = Settings().replace(lookahead_ms=int(cast("float", value))).lookahead_ms
        self._ask(lambda window: window.change({"lookahead_ms": wanted}))

    def _ask(self, command: Callable[[Window], object]) -> None:
        # Qt's own queue has no bound: a window that is busy would go on for minutes with what was asked meanwhile.
        if not self._places.acquire(blocking=False):
            raise UserError("The window is busy.", "Ask again in a moment.")
        self.asked.emit(command)

    def _do(self, command: Callable[[Window], object]) -> None:
        self._places.release()
        if self._window is not None:
            command(self._window)
            self._window.tell()


def _is_running(window: Window) -> bool:
    return window.is_running


def _is_muted(window: Window) -> bool:
    return window.settings.is_muted


def _is_hidden(window: Window) -> bool:
    return window.is_hidden


def _is_recording(window: Window) -> bool:
    return window.is_recording


def _is_camera_on(window: Window) -> bool:
    return window.settings.is_camera_on


def _is_following(window: Window) -> bool:
    return window.settings.is_following


def _mute(window: Window, is_on: bool) -> None:
    window.change({"is_muted": is_on})


def _camera(window: Window, is_on: bool) -> None:
    window.change({"is_camera_on": is_on})


def _follow(window: Window, is_on: bool) -> None:
    window.panel.webcam.turn(is_on)
