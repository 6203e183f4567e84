"""Tracks which source of the sound server a microphone records from.

When a source disappears, the server moves the recording silently to another one: another microphone, or the monitor of
what this program plays.
"""

from __future__ import annotations

import enum
import os

from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.pulse import ALSA, HOST_API, SERVER_NAMES, Query, Sources, has_tool, sources_of

POLL_NS = s_to_ns(1)


class Change(enum.Enum):
    """What happened to the source since the last poll."""

    NONE = "none"
    GONE = "gone"
    BACK = "back"
    MOVED = "moved"


class SourceWatch:
    """Remembers the source of a microphone, and reports that it disappeared or is listed again. Thread: one.

    Args:
        process_id: of the recording process; None for this one.
        source: name of the source, if known.
    """

    def __init__(self, process_id: int | None = None, source: str = "") -> None:
        self._process_id = os.getpid() if process_id is None else process_id
        self._query = Query("list")
        self._t_query_ns = 0
        self._descriptions: dict[str, str] = {}
        self.source = source

    @property
    def description(self) -> str:
        """The source as other programs show it, with its name if two look alike; empty while it is unknown."""
        shown = self._descriptions.get(self.source, "")
        is_unique = list(self._descriptions.values()).count(shown) == 1
        return shown if is_unique or not shown else f"{shown} ({self.source})"

    def poll(self, t_now_ns: int, *, is_open: bool) -> Change:
        """Query the server once a second, and evaluate the result when it is available; never waits.

        Args:
            t_now_ns: now.
            is_open: whether the microphone is open.
        """
        if t_now_ns >= self._t_query_ns:
            self._t_query_ns = t_now_ns + POLL_NS
            self._query.start()
        listing = self._query.result()
        return self._change(sources_of(listing, self._process_id), is_open=is_open) if listing else Change.NONE

    def close(self) -> None:
        """End a running query; a second call does nothing."""
        self._query.close()

    def _change(self, sources: Sources, *, is_open: bool) -> Change:
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
    """A watch for a microphone that leads to a sound server, or is a source of one; None for any other."""
    if host_api == HOST_API:
        return SourceWatch(source=name)
    return SourceWatch() if host_api == ALSA and name in SERVER_NAMES and has_tool() else None
