"""The settings while the window is open: checks, applies and saves changes, and resets those that failed."""

from __future__ import annotations

from dataclasses import asdict

from PySide6.QtCore import QObject, QTimer, Signal

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.ports import Changes, Pipeline, Sinks
from avatar_app.live.runtime.slot import Refused
from avatar_app.settings import profiles, store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

SAVE_DELAY_MS = 500
# Settings of the window alone; they need not be applied to pipeline and sinks.
WINDOW_FIELDS = ("is_hud_visible", "is_panel_visible", "theme", "window_geometry", "has_global_keys", "obs_port")


class SettingsKeeper(QObject):
    """The only place where settings change while the window is open. Thread: main.

    Args:
        settings: the settings of this start, command line included.
        saved: the settings of the file; flags of the command line are not saved.
        paths: of the profile.
        pipeline: uses the settings.
        notices: reports a setting that cannot be used.
        sinks: use the settings too.

    Signals:
        shown(Settings): the controls must show these settings.
    """

    shown = Signal(object)

    def __init__(
        self,
        settings: Settings,
        saved: Settings,
        paths: ProfilePaths,
        pipeline: Pipeline,
        notices: NoticeBoard,
        sinks: Sinks,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._saved = saved
        self._written = saved
        self._paths = paths
        self._pipeline = pipeline
        self._sinks = sinks
        self._notices = notices
        self._refused: tuple[Refused, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY_MS)
        self._timer.timeout.connect(self.save_now)

    @property
    def settings(self) -> Settings:
        """The settings that the user chose."""
        return self._settings

    def change(self, changes: Changes) -> None:
        """Apply a change by the user, and clear the notices of failed choices that it replaces."""
        replaced = [refused for refused in self._refused if any(name in changes for name in refused.fields)]
        for refused in replaced:
            self._notices.clear(refused.key)
        self._refused = tuple(refused for refused in self._refused if refused not in replaced)
        self._apply(changes)

    def use_profile(self, name: str) -> None:
        """Use the settings of a profile; an empty name restores the user's own."""
        try:
            own = profiles.own(self._paths, self._saved, self._notices)
            if name:
                wanted = profiles.load(self._paths, name, own, self._notices)
                profiles.keep_own(self._paths, own)
            else:
                wanted = own
        except SettingsError as error:
            self._notices.error("profile", error)
            self.shown.emit(self._settings)
            return
        # Settings of this machine stay, above all whether the microphone is muted.
        here = {name: getattr(self._settings, name) for name in profiles.LOCAL_FIELDS if name != "profile"}
        changes = asdict(wanted) | here
        now, saved = asdict(self._settings), asdict(self._saved)
        self.change({name: value for name, value in changes.items() if value != now[name] or value != saved[name]})

    def reconcile(self) -> None:
        """Reset choices that failed to the settings in use, unless the user has changed them since."""
        failed = [result for result in self._pipeline.take_results() if isinstance(result, Refused)]
        self._refused = (*(old for old in self._refused if old.key not in {new.key for new in failed}), *failed)
        in_use = self._pipeline.settings
        back = {
            name: getattr(in_use, name)
            for refused in failed
            for name in refused.fields
            if getattr(refused.settings, name) == getattr(self._settings, name) != getattr(in_use, name)
        }
        if back:
            self._apply(back)

    def note_port(self, port: int) -> None:
        """Save the port of the browser source, which may differ from the wanted one; 0 while it is off."""
        if port not in (0, self._settings.browser_port):
            self._apply({"browser_port": port})

    def save_now(self) -> None:
        """Save the settings if they changed."""
        self._timer.stop()
        if self._saved != self._written and store.save(self._paths, self._saved, self._notices):
            self._written = self._saved

    def _apply(self, changes: Changes) -> None:
        try:
            settings = self._settings.replace(**changes)
            self._saved = self._saved.replace(**changes)
        except SettingsError as error:
            self._notices.error("settings-change", error)
            self.shown.emit(self._settings)
            return
        self._settings = settings
        # Before the controls are drawn: muting and closing the webcam come first, and the lamp shows the result.
        if any(name not in WINDOW_FIELDS for name in changes):
            self._pipeline.apply(settings)
            self._sinks.apply(settings)
        self.shown.emit(settings)
        self._timer.start()
