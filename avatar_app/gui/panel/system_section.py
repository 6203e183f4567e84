"""How the program lives on this machine: whether it starts with it, and whether its keys work in every program."""

from __future__ import annotations

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.gui.panel.picture_sections import Group
from avatar_app.gui.widgets.rows import Section, hint
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.settings.autostart import Autostart
from avatar_app.settings.schema import Settings

KEY_CHOICES = (
    Choice(False, "In this window", "Other programs keep all their keys"),
    Choice(True, "Everywhere", "The keys below work while a game or OBS has the keyboard"),
)
START_CHOICES = (
    Choice(False, "By hand", "The program starts when you start it"),
    Choice(True, "With the machine", "The program starts when you log in, as you left it"),
)
# About equally long, so that nothing moves when the other one comes.
KEY_HINTS = {
    False: "F4: webcam, F5: microphone anew, Ctrl+D: mute or unmute, F7: hide, F8: panic, F9: record, F10: snapshot.",
    True: "Ctrl+Shift and F4: webcam, F5: microphone anew, F6: mute or unmute, F7: hide, F8: panic, F9: record,"
    " F10: snapshot.",
}
KEY_LINES = 3


class MachineGroup(Group):
    """Two switches.

    Args:
        entry: the program's among those that start with the machine.
        notices: where a refusal of the system is told.
    """

    def __init__(self, entry: Autostart, notices: NoticeBoard) -> None:
        super().__init__()
        self._entry, self._notices = entry, notices
        self.keys = Segments("Keys", KEY_CHOICES)
        self.keys_hint = hint(KEY_HINTS[False], KEY_LINES)
        self.start = Segments("Start", START_CHOICES)
        self._add(Section("Ke&ys", self.keys)).add(self.keys_hint)
        self._add(Section("&Start", self.start))
        self.keys.chosen.connect(lambda is_on: self.changed.emit({"has_global_keys": is_on}))
        self.start.chosen.connect(self._turn_start)
        self.start.set_value(entry.is_on())

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self.keys.set_value(settings.has_global_keys)
        self.keys_hint.setText(KEY_HINTS[settings.has_global_keys])

    def _turn_start(self, is_on: bool) -> None:
        self._notices.clear("autostart")
        try:
            self._entry.turn(is_on=is_on)
        except OutputError as error:
            self._notices.post(Notice.from_error("autostart", error))
        self.start.set_value(self._entry.is_on())
