"""Warns when OBS delays the microphone and Voice in sync delays it too."""

from __future__ import annotations

from avatar_app.contracts.notices import NoticeBoard
from avatar_app.settings.schema import Settings

NOTICE_KEY = "obs-delay"
WHAT_TO_DO = (
    "Your voice may be delayed twice. Open “Delay in OBS …” on the Output page and press “Reset to 0”, "
    "or turn Voice in sync off."
)


class ObsDelays:
    """The delays set in OBS since the start. Thread: main.

    Args:
        notices: shows the warning.
    """

    def __init__(self, notices: NoticeBoard) -> None:
        self._notices = notices
        self._offsets_ms: dict[str, int] = {}
        self._has_voice = False
        self._text = ""

    def set_offset(self, name: str, offset_ms: int) -> None:
        """OBS delays an input by `offset_ms`."""
        self._offsets_ms[name] = offset_ms
        self._show()

    def update(self, settings: Settings) -> None:
        """Check whether Voice in sync is on."""
        self._has_voice = bool(settings.voice_output)
        self._show()

    def _show(self) -> None:
        """Post a change once, so that a dismissed notice does not return."""
        delayed = [f"{name} by {ms} ms" for name, ms in self._offsets_ms.items() if ms]
        text = f"OBS still delays {', '.join(delayed)}, and Voice in sync is on." if delayed and self._has_voice else ""
        if text == self._text:
            return
        self._text = text
        if text:
            self._notices.warning(NOTICE_KEY, text, WHAT_TO_DO, is_lasting=True)
        else:
            self._notices.clear(NOTICE_KEY)
