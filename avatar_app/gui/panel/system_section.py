"""System integration: theme, global hotkeys and autostart."""

from __future__ import annotations

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.panel.group import Group
from avatar_app.gui.widgets.rows import Section, hint
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.settings.autostart import Autostart
from avatar_app.settings.schema import Settings

THEME_CHOICES = (
    Choice("system", "System", "Follows the system"),
    Choice("light", "Light", "Dark text on a light background"),
    Choice("dark", "Dark", "Light text on a dark background"),
)
KEY_CHOICES = (
    Choice(False, "In this window", "The keys work while this window has the focus"),
    Choice(True, "Everywhere", "The keys also work while a game or OBS has the focus"),
)
START_CHOICES = (
    Choice(False, "Off", "You start the program yourself"),
    Choice(True, "At login", "The program starts when you log in, with the last settings"),
)
# Of similar length, so that the layout does not move.
KEY_HINTS = {
    False: "F4: webcam, F5: reopen microphone, Ctrl+D: mute or unmute, F7: hide, F8: panic, F9: record, F10: snapshot.",
    True: "Ctrl+Shift and F4: webcam, F5: reopen microphone, F6: mute or unmute, F7: hide, F8: panic, F9: record,"
    " F10: snapshot.",
}
KEY_LINES = 3


class ThemeGroup(Group):
    """The theme."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = Segments("Theme", THEME_CHOICES)
        self.switch.setToolTip("Light or dark (Alt+T)")
        self._add(Section("&Theme", self.switch))
        self.switch.chosen.connect(lambda value: self.changed.emit({"theme": value}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.switch.set_value(settings.theme)


class MachineGroup(Group):
    """Global hotkeys and autostart.

    Args:
        entry: the program's autostart entry.
        notices: reports that the system refused the entry.
    """

    def __init__(self, entry: Autostart, notices: NoticeBoard) -> None:
        super().__init__()
        self._entry, self._notices = entry, notices
        self.keys = Segments("Keys", KEY_CHOICES)
        self.keys_hint = hint(KEY_HINTS[False], KEY_LINES)
        self.start = Segments("Autostart", START_CHOICES)
        self._add(Section("Ke&ys", self.keys)).add(self.keys_hint)
        self._add(Section("Autos&tart", self.start))
        self.keys.chosen.connect(lambda is_on: self.changed.emit({"has_global_keys": is_on}))
        self.start.chosen.connect(self._set_autostart)
        self.start.set_value(entry.is_on())

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.keys.set_value(settings.has_global_keys)
        self.keys_hint.setText(KEY_HINTS[settings.has_global_keys])

    def _set_autostart(self, is_on: bool) -> None:
        self._notices.clear("autostart")
        try:
            self._entry.turn(is_on=is_on)
        except OutputError as error:
            self._notices.error("autostart", error)
        self.start.set_value(self._entry.is_on())
