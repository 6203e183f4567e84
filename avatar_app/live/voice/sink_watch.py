"""Detects that a sink of the sound server disappeared; the server would move the voice silently to another one."""

from __future__ import annotations

from avatar_app.live.audio.pulse import Query, devices_of


class SinkWatch:
    """Watches one sink. Thread: one.

    Args:
        label: of the sink.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._query = Query("list", "sinks")

    def start_query(self) -> None:
        """Query the server, unless the previous query still runs."""
        self._query.start()

    def is_gone(self) -> bool:
        """Whether a new result lacks the sink; never waits."""
        listing = self._query.result()
        return listing is not None and all(sink.label != self._label for sink in devices_of(listing, "Sink"))

    def close(self) -> None:
        """End a running query; a second call does nothing."""
        self._query.close()
