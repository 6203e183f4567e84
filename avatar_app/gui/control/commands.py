"""The commands behind buttons, shortcuts, tray and control API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.control.panic import Panic
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.ports import Changes, Pipeline, Sinks
from avatar_app.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class CommandState:
    """The state that commands change."""

    settings: Settings
    is_running: bool
    is_recording: bool
    is_hidden: bool


class Commands(QObject):
    """All commands except the controls of single settings. Thread: main.

    Args:
        pipeline: the live path.
        sinks: what leaves the program.
        keeper: changes settings.
        notices: reports a command that failed.
        set_head_tracking: turns head tracking on or off, if it is installed.

    Signals:
        changed(): a command changed the state.
        published(CommandState): the state, after each remote command and at each refresh of the window.
    """

    changed = Signal()
    published = Signal(object)

    def __init__(
        self,
        pipeline: Pipeline,
        sinks: Sinks,
        keeper: SettingsKeeper,
        notices: NoticeBoard,
        set_head_tracking: Callable[[bool], None],
    ) -> None:
        super().__init__()
        self._pipeline, self._sinks, self._keeper, self._notices = pipeline, sinks, keeper, notices
        self._panic = Panic(notices)
        self._is_running = self._is_hidden = False
        self.set_head_tracking = set_head_tracking
        keeper.shown.connect(self._panic.update)

    @property
    def settings(self) -> Settings:
        """The settings that the user chose."""
        return self._keeper.settings

    @property
    def is_running(self) -> bool:
        """Whether the user started the avatar."""
        return self._is_running

    @property
    def is_recording(self) -> bool:
        """Whether a recording runs."""
        return self._sinks.is_recording

    @property
    def is_hidden(self) -> bool:
        """Whether the avatar is hidden, so that only the background shows."""
        return self._is_hidden

    def publish(self) -> None:
        """Send the state to clients of the control API."""
        self.published.emit(CommandState(self.settings, self._is_running, self.is_recording, self._is_hidden))

    def set_running(self, is_running: bool) -> None:
        """Start or stop the avatar."""
        self._is_running = is_running
        if is_running:
            self._pipeline.start()
            self._sinks.start()
        else:
            # The sinks may take a while to end; microphone and webcam are closed first.
            self._pipeline.close_devices()
            self._sinks.stop()
            self._pipeline.stop()
        self.changed.emit()

    def toggle_running(self) -> None:
        """Start when stopped, stop when running."""
        self.set_running(not self._is_running)

    def change(self, changes: Changes) -> None:
        """Change settings."""
        self._keeper.change(changes)

    def toggle(self, field: str) -> None:
        """Invert a boolean setting."""
        self._keeper.change({field: not getattr(self.settings, field)})

    def toggle_head_tracking(self) -> None:
        """Turn the webcam off, or head tracking on."""
        self.set_head_tracking(not self.settings.is_following)

    def set_recording(self, is_on: bool) -> None:
        """Start or end a recording; a notice reports a failure."""
        if not is_on:
            self._sinks.stop_recording()
        else:
            self._attempt("record", self._sinks.start_recording)
        self.changed.emit()

    def toggle_recording(self) -> None:
        """Start a recording, or end the one that runs."""
        self.set_recording(not self.is_recording)

    def take_snapshot(self) -> None:
        """Save the next picture; a notice reports the file, or the failure."""
        self._attempt("snapshot", self._sinks.take_snapshot)

    def set_hidden(self, is_hidden: bool) -> None:
        """Hide the avatar in every output, or show it again."""
        self._is_hidden = is_hidden
        self._pipeline.set_hidden(is_hidden=is_hidden)
        self.changed.emit()

    def toggle_hidden(self) -> None:
        """Hide the avatar, or show it again."""
        self.set_hidden(not self._is_hidden)

    def panic(self) -> None:
        """Mute the microphone, whatever its state was; a notice explains how to unmute."""
        self._keeper.change({"is_muted": True})
        self._panic.begin(self.settings)
        self.changed.emit()

    def refresh_mic(self) -> None:
        """Reopen the microphone."""
        self._pipeline.refresh_mic()

    def _attempt(self, key: str, command: Callable[[], None]) -> None:
        try:
            command()
        except UserError as error:
            self._notices.error(key, error)
