"""The notice after the panic key: the microphone is muted, and how to unmute it."""

from __future__ import annotations

from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui import keys
from avatar_app.settings.schema import Settings

NOTICE_KEY = "panic"
MUTED = "The microphone is muted and the face is at rest."
NOT_OURS = "OBS or a meeting that uses the microphone directly is not muted."
UNMUTED = "The microphone is on again."


class Panic:
    """Posts the notice, and replaces it after unmuting. Thread: main.

    Args:
        notices: shows the notice.
    """

    def __init__(self, notices: NoticeBoard) -> None:
        self._notices = notices
        self._is_active = False

    def begin(self, settings: Settings) -> None:
        """The panic key muted the microphone."""
        self._is_active = True
        shortcuts = [keys.MUTE, *([keys.GLOBAL_MUTE] if settings.has_global_keys else [])]
        names = " or ".join(keys.native(key) for key in shortcuts)
        what_to_do = f"To speak again, press Unmute ({names}). The panic key never unmutes. {NOT_OURS}"
        self._notices.warning(NOTICE_KEY, MUTED, what_to_do, is_lasting=True)

    def update(self, settings: Settings) -> None:
        """Report when the user has unmuted the microphone."""
        if self._is_active and not settings.is_muted:
            self._is_active = False
            self._notices.info(NOTICE_KEY, UNMUTED)
