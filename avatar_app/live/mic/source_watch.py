"""Which source the sound server gives a microphone that is only a door to it.

When a microphone is pulled out, the server goes on with another source without a word: another microphone, or the
monitor of what this program plays itself.
"""

from __future__ import annotations

import enum
import os

from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.pulse import ALSA, DOORS, HOST_API, Question, Sources, has_tool, sources_of

ASK_NS = s_to_ns(1)


class Change(enum.Enum):
    """What became of the source since the last look."""

    NONE = "none"
    GONE = "gone"
    BACK = "back"
    MOVED = "moved"


class SourceWatch:
    """Remembers the source of a microphone, and sees that it is gone, or back. Thread: one.

    Args:
        process_id: whose source.
        source: which one, where that is known from the start.
    """

    def __init__(self, process_id: int | None = None, source: str = "") -> None:
        self._process_id = os.getpid() if process_id is None else process_id
        self._question = Question("list")
        self._t_ask_ns = 0
        self._descriptions: dict[str, str] = {}
        self.source = source

    @property
    def description(self) -> str:
        """The source as other programs show it, and its name where two are shown alike; empty while it is not known."""
        shown = self._descriptions.get(self.source, "")
        is_unique = list(self._descriptions.values()).count(shown) == 1
        return shown if is_unique or not shown else f"{shown} ({self.source})"

    def look(self, t_now_ns: int, *, is_open: bool) -> Change:
        """Ask once a second, and read the answer when it has come; never waits.

        Args:
            t_now_ns: now.
            is_open: whether the microphone is open.
        """
        if t_now_ns >= self._t_ask_ns:
            self._t_ask_ns = t_now_ns + ASK_NS
            self._question.ask()
        answer = self._question.answer()
        return self._judge(sources_of(answer, self._process_id), is_open=is_open) if answer else Change.NONE

    def close(self) -> None:
        """Ask no more; twice is fine."""
        self._question.close()

    def _judge(self, sources: Sources, *, is_open: bool) -> Change:
        if self.source and self.source not in sources.descriptions:
            return Change.GONE
        self._descriptions.update(sources.descriptions)
        if not is_open:
            return Change.BACK if self.source else Change.NONE
        if not sources.own or sources.own == self.source:
            return Change.NONE
        is_first = not self.source
        self.source = sources.own
        return Change.NONE if is_first else Change.MOVED


def watch_of(name: str, host_api: str) -> SourceWatch | None:
    """A watch for a microphone that is a door to a sound server, or one behind it; None for another one."""
    if host_api == HOST_API:
        return SourceWatch(source=name)
    return SourceWatch() if host_api == ALSA and name in DOORS and has_tool() else None
