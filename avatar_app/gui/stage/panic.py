"""Says after a panic what is silent now, and how one comes back."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence

from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.gui.stage.bar import MUTE_KEY
from avatar_app.settings.schema import Settings

NOTICE_KEY = "panic"
GLOBAL_MUTE_KEY = "Ctrl+Shift+F6"
MUTED = "Muted: nothing is heard here, and the face rests."
NOT_OURS = "A microphone that OBS or a meeting opens by itself is not muted by this."
HEARING = "The microphone is on again."


class Panic:
    """The notice of a panic. Thread: main.

    Args:
        notices: where it is told.
    """

    def __init__(self, notices: NoticeBoard) -> None:
        self._notices = notices
        self._is_told = False

    def tell(self, settings: Settings) -> None:
        """The microphone was just muted in a hurry."""
        self._is_told = True
        keys = [MUTE_KEY, *([GLOBAL_MUTE_KEY] if settings.has_global_keys else [])]
        named = " or ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in keys)
        what_to_do = f"To speak again press Unmute ({named}); the panic key never unmutes. {NOT_OURS}"
        self._notices.post(Notice(NOTICE_KEY, Level.WARNING, MUTED, what_to_do, is_lasting=True))

    def look(self, settings: Settings) -> None:
        """See whether the user has come back."""
        if self._is_told and not settings.is_muted:
            self._is_told = False
            self._notices.post(Notice(NOTICE_KEY, Level.INFO, HEARING))
