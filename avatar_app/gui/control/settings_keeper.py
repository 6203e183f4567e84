"""Keeps the settings: checks a change, hands it to the pipeline, writes it down, takes it back when it failed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.gui.ports import OnAir, Pipeline
from avatar_app.live.runtime.slot import Refused
from avatar_app.settings import profiles, store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

SAVE_DELAY_MS = 500
# Settings of the window alone, which the pipeline need not hear of.
WINDOW_FIELDS = ("is_hud_visible", "is_panel_visible", "theme", "window_geometry", "has_global_keys", "obs_port")
# A choice that failed shows as a notice with one of these keys; another choice takes the notice down.
FIELDS_OF_KEY = {
    "mic": ("mic",),
    "avatar": ("avatar",),
    "model": ("avatar", "model", "precision", "engine"),
    "background": ("background", "background_colour", "background_picture"),
    "follow": ("is_following",),
    "clean": ("noise_suppression", "is_auto_gain_on"),
}


class SettingsKeeper(QObject):
    """The one place where settings change while the window is open. Thread: main.

    Args:
        settings: what holds now, command line included.
        saved: what the settings file says: flags of one start are not written down.

    Signals:
        shown(Settings): the controls should show these settings.
    """

    shown = Signal(object)

    def __init__(
        self,
        settings: Settings,
        saved: Settings,
        paths: ProfilePaths,
        pipeline: Pipeline,
        notices: NoticeBoard,
        on_air: OnAir,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._saved = saved
        self._written = saved
        self._paths = paths
        self._pipeline = pipeline
        self._on_air = on_air
        self._notices = notices
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY_MS)
        self._timer.timeout.connect(self.save_now)

    @property
    def settings(self) -> Settings:
        """What the user wants now."""
        return self._settings

    def change(self, changes: dict[str, Any]) -> None:
        """Take a change of the user's."""
        for key, fields in FIELDS_OF_KEY.items():
            if any(name in changes for name in fields):
                self._notices.clear(key)
        self._take(changes)

    def use_profile(self, name: str) -> None:
        """Take over a profile's settings, or with an empty name the user's own again."""
        try:
            own = profiles.own(self._paths, self._saved, self._notices)
            if name:
                wanted = profiles.load(self._paths, name, own, self._notices)
                profiles.keep_own(self._paths, own)
            else:
                wanted = own
        except SettingsError as error:
            self._notices.post(Notice.from_error("profile", error))
            self.shown.emit(self._settings)
            return
        # What belongs to the machine alone stays as it is now, muted above all.
        here = {name: getattr(self._settings, name) for name in profiles.LOCAL_FIELDS if name != "profile"}
        changes = asdict(wanted) | here
        now, saved = asdict(self._settings), asdict(self._saved)
        self.change({name: value for name, value in changes.items() if value != now[name] or value != saved[name]})

    def reconcile(self) -> None:
        """Put choices that failed back to what is really in use; one that was corrected meanwhile stays."""
        failed = [result for result in self._pipeline.take_results() if isinstance(result, Refused)]
        in_use = self._pipeline.settings
        back = {
            name: getattr(in_use, name)
            for refused in failed
            for name in refused.fields
            if getattr(refused.settings, name) == getattr(self._settings, name) != getattr(in_use, name)
        }
        if back:
            self._take(back)

    def note_port(self, port: int) -> None:
        """Keep the browser source's address for the next start, also where it had to move; 0 while it is off."""
        if port not in (0, self._settings.browser_port):
            self._take({"browser_port": port})

    def save_now(self) -> None:
        """Write the settings down if they changed."""
        self._timer.stop()
        if self._saved != self._written and store.save(self._paths, self._saved, self._notices):
            self._written = self._saved

    def _take(self, changes: dict[str, Any]) -> None:
        try:
            settings = self._settings.replace(**changes)
            self._saved = self._saved.replace(**changes)
        except SettingsError as error:
            self._notices.post(Notice.from_error("settings-change", error))
            self.shown.emit(self._settings)
            return
        self._settings = settings
        # Before anything is drawn: a mute or a cut camera takes effect first, and the lamp shows what came of it.
        if any(name not in WINDOW_FIELDS for name in changes):
            self._pipeline.apply(settings)
            self._on_air.apply(settings)
        self.shown.emit(settings)
        self._timer.start()
