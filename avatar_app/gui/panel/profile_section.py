"""Profiles: whole sets of settings, chosen, kept under a name, and given to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.gui.ports import Dialogs, Option
from avatar_app.gui.widgets.rows import Chooser, Section
from avatar_app.settings import profiles
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

NONE = Option("", "Your settings", "They come back as they were, whichever profile was in use")
KEY = "profile"


class ProfileSection(QWidget):
    """A chooser of presets and profiles, and a menu for the rest.

    Signals:
        used(str): the profile that the user wants; empty for the user's own settings.
    """

    used = Signal(str)

    def __init__(self, paths: ProfilePaths, dialogs: Dialogs, notices: NoticeBoard) -> None:
        super().__init__()
        self._paths, self._dialogs, self._notices = paths, dialogs, notices
        self._settings = Settings()
        self.chooser = Chooser("Profile", "A set of settings for one use (Alt+R)")
        self.more = QPushButton("More")
        self.more.setProperty("role", "plain")
        self.more.setAccessibleName("More")
        self.more.setAccessibleDescription("Keep, import, export or delete a profile")
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
        """Read the list of profiles anew."""
        presets = [Option(name, name, "Comes with the program") for name in profiles.PRESETS]
        own = [Option(name, name, "A profile of yours") for name in profiles.names(self._paths)]
        self.chooser.set_options((NONE, *presets, *own))

    def show_settings(self, settings: Settings) -> None:
        """Know what would be kept, and name the profile in use."""
        self._settings = settings
        name = settings.profile
        self._delete.setEnabled(bool(name) and name not in profiles.PRESETS)
        self.chooser.set_value(name, name)
        for number in range(self.chooser.count()):
            self.chooser.setItemText(number, self.chooser.itemData(number) or NONE.text)
        if name and self._is_changed():
            self.chooser.setItemText(self.chooser.currentIndex(), f"{name} (changed)")

    def use(self, name: str) -> None:
        """Ask for a profile's settings, or with an empty name for the user's own."""
        self._notices.clear(KEY)
        self.used.emit(name)

    def keep(self) -> None:
        """Keep the settings as they are under a name that the user gives."""
        name = self._dialogs.ask_name(self.chooser.value())
        if name is not None and self._told(lambda: profiles.save(self._paths, name.strip(), self._settings)):
            self._use(name.strip(), f"The profile {name.strip()} is kept, and in use.")

    def bring_in(self) -> None:
        """Take in a file that was exported."""
        file = self._dialogs.ask_profile()
        if file is None:
            return
        found: list[str] = []
        if self._told(lambda: found.append(profiles.bring_in(self._paths, Path(file), self._notices))):
            self._use(found[0], f"The profile {found[0]} is here now, and in use.")

    def give_out(self) -> None:
        """Write the settings as they are to a file for another machine."""
        file = self._dialogs.ask_profile_to_write(self.chooser.value() or "Avatar profile")
        if file is not None and self._told(lambda: profiles.export(Path(file), self._settings)):
            self._notices.post(Notice(KEY, Level.INFO, f"The profile is in {file}."))

    def delete(self) -> None:
        """Forget the chosen profile; the user's own settings come back."""
        name = self.chooser.value()
        if self._told(lambda: profiles.delete(self._paths, name)):
            self._use("", f"The profile {name} is deleted; your settings are in use again.")

    def _fill_menu(self) -> None:
        for text, action in (
            ("Keep as …", self.keep),
            ("Import …", self.bring_in),
            ("Export …", self.give_out),
        ):
            self._menu.addAction(text, action)
        self._menu.addSeparator()
        self._delete = self._menu.addAction("Delete", self.delete)

    def _is_changed(self) -> bool:
        """Whether something was changed since the profile was chosen."""
        settings = self._settings
        try:
            return profiles.load(self._paths, settings.profile, settings, NoticeBoard()) != settings
        except SettingsError:
            return False

    def _told(self, action: Callable[[], object]) -> bool:
        """Do something that may fail; a failure becomes a notice."""
        try:
            action()
        except SettingsError as error:
            self._notices.post(Notice.from_error(KEY, error))
            return False
        return True

    def _use(self, name: str, text: str) -> None:
        self.refresh()
        # First, so that a failure takes its place.
        self._notices.post(Notice(KEY, Level.INFO, text))
        self.used.emit(name)
