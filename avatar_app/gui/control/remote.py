"""The actions of the control API, executed on the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

from PySide6.QtCore import QObject, Qt, Signal

from avatar_app.contracts.errors import SettingsError, UserError
from avatar_app.gui.control.commands import Commands, CommandState
from avatar_app.live.browser import Action, Argument, State
from avatar_app.settings.schema import LOOKAHEADS_MS, Settings

MAX_WAITING = 16
Value: TypeAlias = bool | float | str | None
Command: TypeAlias = Callable[[Commands], object]


class Remote(QObject):
    """Queues actions from other threads for the main thread.

    Thread: made and attached on the main thread; the actions and `state` may be called on any. An action returns
    immediately; the main thread executes it later.

    Signals:
        queued(object): a command for the main thread.
    """

    queued = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._target: Commands | None = None
        self._state: State = {}
        self._places = threading.Semaphore(MAX_WAITING)
        self.queued.connect(self._execute, Qt.ConnectionType.QueuedConnection)

    def attach(self, target: Commands) -> None:
        """Send commands to `target`, and follow its state."""
        self._target = target
        target.published.connect(self._keep_state)

    def state(self) -> State:
        """The newest state, for clients."""
        return self._state

    def actions(self) -> Mapping[str, Action]:
        """All actions by name."""
        switch, none = Argument.SWITCH, Argument.NONE
        listed = (
            Action("run", "Starts or stops the avatar.", switch, self._switch(_is_running, Commands.set_running)),
            Action("mute", "Mutes the microphone.", switch, self._switch(_is_muted, _mute)),
            Action("hide", "Hides the avatar.", switch, self._switch(_is_hidden, Commands.set_hidden)),
            Action("record", "Records picture and voice.", switch, self._switch(_is_recording, Commands.set_recording)),
            Action("camera", "Turns the virtual camera on or off.", switch, self._switch(_is_camera_on, _camera)),
            Action("follow", "Turns head tracking on or off.", switch, self._switch(_is_following, _follow)),
            Action("snapshot", "Saves the next picture.", none, self._command(Commands.take_snapshot)),
            Action("panic", "Mutes the microphone; a second call never unmutes.", none, self._command(Commands.panic)),
            Action("refresh-mic", "Reopens the microphone.", none, self._command(Commands.refresh_mic)),
            Action("look-ahead", f"Milliseconds, one of {LOOKAHEADS_MS}.", Argument.NUMBER, self._set_lookahead),
        )
        return {action.name: action for action in listed}

    def _keep_state(self, new: CommandState) -> None:
        self._state = {
            "running": new.is_running,
            "muted": new.settings.is_muted,
            "hidden": new.is_hidden,
            "recording": new.is_recording,
            "following": new.settings.is_following,
            "camera": new.settings.is_camera_on,
            "look_ahead_ms": new.settings.lookahead_ms,
        }

    def _switch(
        self, is_on: Callable[[Commands], bool], turn: Callable[[Commands, bool], object]
    ) -> Callable[[Value], None]:
        """Set a switch; no value inverts the state at the time of execution."""

        def call(value: Value) -> None:
            self._queue(lambda target: turn(target, not is_on(target) if value is None else bool(value)))

        return call

    def _command(self, command: Command) -> Callable[[Value], None]:
        return lambda _: self._queue(command)

    def _set_lookahead(self, value: Value) -> None:
        # Checked here, so that the client receives the error.
        if not isinstance(value, (int, float)):
            raise SettingsError("look-ahead needs a number.", f"Send one of {LOOKAHEADS_MS}.")
        lookahead_ms = Settings().replace(lookahead_ms=int(value)).lookahead_ms
        self._queue(lambda target: target.change({"lookahead_ms": lookahead_ms}))

    def _queue(self, command: Command) -> None:
        # Qt's own queue has no bound: a flood of commands would occupy a busy window for minutes.
        if not self._places.acquire(blocking=False):
            raise UserError("The window is busy.", "Try again in a moment.")
        self.queued.emit(command)

    def _execute(self, command: Command) -> None:
        self._places.release()
        if self._target is not None:
            command(self._target)
            self._target.publish()


def _is_running(target: Commands) -> bool:
    return target.is_running


def _is_muted(target: Commands) -> bool:
    return target.settings.is_muted


def _is_hidden(target: Commands) -> bool:
    return target.is_hidden


def _is_recording(target: Commands) -> bool:
    return target.is_recording


def _is_camera_on(target: Commands) -> bool:
    return target.settings.is_camera_on


def _is_following(target: Commands) -> bool:
    return target.settings.is_following


def _mute(target: Commands, is_on: bool) -> None:
    target.change({"is_muted": is_on})


def _camera(target: Commands, is_on: bool) -> None:
    target.change({"is_camera_on": is_on})


def _follow(target: Commands, is_on: bool) -> None:
    target.set_head_tracking(is_on)
