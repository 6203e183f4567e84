"""Remembers what OBS was told to delay, so that a voice that is delayed here as well does not come twice as late."""

from __future__ import annotations

from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.settings.schema import Settings

NOTICE_KEY = "obs-delay"
WHAT_TO_DO = (
    "If OBS hears the voice in sync, set it back to 0: page On air, “Or let OBS delay it …”, “Set back to 0”. "
    "Or turn the voice in sync off."
)


class ObsDelays:
    """The delays that OBS has from this program since it started. Thread: main.

    Args:
        notices: where a voice that is delayed twice is told.
    """

    def __init__(self, notices: NoticeBoard) -> None:
        self._notices = notices
        self._offsets_ms: dict[str, int] = {}
        self._has_voice = False
        self._told = ""

    def note(self, name: str, offset_ms: int) -> None:
        """OBS delays an input by this from now on."""
        self._offsets_ms[name] = offset_ms
        self._tell()

    def look(self, settings: Settings) -> None:
        """See whether the voice in sync is on."""
        self._has_voice = bool(settings.voice_output)
        self._tell()

    def _tell(self) -> None:
        """Say it once; a notice that the user took away does not come back by itself."""
        delayed = [f"{name} by {ms} ms" for name, ms in self._offsets_ms.items() if ms]
        text = f"OBS still delays {', '.join(delayed)}, and Voice in sync is on." if delayed and self._has_voice else ""
        if text == self._told:
            return
        self._told = text
        if text:
            self._notices.post(Notice(NOTICE_KEY, Level.WARNING, text, WHAT_TO_DO, is_lasting=True))
        else:
            self._notices.clear(NOTICE_KEY)
