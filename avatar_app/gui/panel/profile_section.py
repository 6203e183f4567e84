"""Profiles: choose, save, import, export and delete sets of settings."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.ports import Dialogs, Option
from avatar_app.gui.widgets.rows import Chooser, Section
from avatar_app.settings import profiles
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

NONE = Option("", "Your settings", "Your own settings, as they were before you chose a profile")
KEY = "profile"


class ProfileSection(QWidget):
    """A list of profiles, and a menu to manage them. Thread: main.

    Args:
        paths: of the profiles.
        dialogs: asks the user.
        notices: reports results and failures.

    Signals:
        used(str): the profile that the user chose; empty for the user's own settings.
    """

    used = Signal(str)

    def __init__(self, paths: ProfilePaths, dialogs: Dialogs, notices: NoticeBoard) -> None:
        super().__init__()
        self._paths, self._dialogs, self._notices = paths, dialogs, notices
        self._settings = Settings()
        self.chooser = Chooser("Profile", "A set of settings for one purpose (Alt+R)")
        self.more = QPushButton("More")
        self.more.setProperty("role", "plain")
        self.more.setAccessibleName("More")
        self.more.setAccessibleDescription("Save, import, export or delete a profile")
        self._menu = QMenu(self)
        self._fill_menu()
        self.more.setMenu(self._menu)
        section = Section("P&rofile", self.chooser, self.more)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(section)
        self.chooser.chosen.connect(self.use)
        self.refresh()

    def refresh(self) -> None:
        """List the profiles again."""
        presets = [Option(name, name, "Built-in profile") for name in profiles.PRESETS]
        own = [Option(name, name, "Your profile") for name in profiles.names(self._paths)]
        self.chooser.set_options((NONE, *presets, *own))

    def show_settings(self, settings: Settings) -> None:
        """Show the profile in use, and whether it was changed."""
        self._settings = settings
        name = settings.profile
        self._delete.setEnabled(bool(name) and name not in profiles.PRESETS)
        self.chooser.set_value(name, name)
        for number in range(self.chooser.count()):
            self.chooser.setItemText(number, self.chooser.itemData(number) or NONE.text)
        if name and self._is_changed():
            self.chooser.setItemText(self.chooser.currentIndex(), f"{name} (changed)")

    def use(self, name: str) -> None:
        """Use a profile; an empty name restores the user's own settings."""
        self._notices.clear(KEY)
        self.used.emit(name)

    def save(self) -> None:
        """Save the settings under a name that the user enters."""
        name = (self._dialogs.ask_name(self.chooser.value()) or "").strip()
        if not name:
            return
        try:
            profiles.save(self._paths, name, self._settings)
        except SettingsError as error:
            self._notices.error(KEY, error)
        else:
            self._use(name, f"Profile {name} saved and in use.")

    def import_(self) -> None:
        """Add a profile from an exported file."""
        file = self._dialogs.ask_profile()
        if file is None:
            return
        try:
            name = profiles.import_file(self._paths, Path(file), self._notices)
        except SettingsError as error:
            self._notices.error(KEY, error)
        else:
            self._use(name, f"Profile {name} imported and in use.")

    def export(self) -> None:
        """Write the settings to a file for another computer."""
        file = self._dialogs.ask_profile_to_write(self.chooser.value() or "Avatar profile")
        if file is None:
            return
        try:
            profiles.export(Path(file), self._settings)
        except SettingsError as error:
            self._notices.error(KEY, error)
        else:
            self._notices.info(KEY, f"Profile exported to {file}.")

    def delete(self) -> None:
        """Delete the chosen profile, and restore the user's own settings."""
        name = self.chooser.value()
        try:
            profiles.delete(self._paths, name)
        except SettingsError as error:
            self._notices.error(KEY, error)
        else:
            self._use("", f"Profile {name} deleted. Your own settings are in use.")

    def _fill_menu(self) -> None:
        for text, action in (
            ("Save as …", self.save),
            ("Import …", self.import_),
            ("Export …", self.export),
        ):
            self._menu.addAction(text, action)
        self._menu.addSeparator()
        self._delete = self._menu.addAction("Delete", self.delete)

    def _is_changed(self) -> bool:
        """Whether settings differ from the profile."""
        settings = self._settings
        try:
            return profiles.load(self._paths, settings.profile, settings, NoticeBoard()) != settings
        except SettingsError:
            return False

    def _use(self, name: str, text: str) -> None:
        self.refresh()
        # Before the signal, so that a failure replaces it.
        self._notices.info(KEY, text)
        self.used.emit(name)
