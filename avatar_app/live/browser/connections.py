"""Limits on connections: in total, and without the token."""

from __future__ import annotations

from typing import Generic, TypeVar

C = TypeVar("C")

MAX_CONNECTIONS = 80
# Connections that have not sent the token yet. One more closes the oldest: a page sends the token within milliseconds,
# so slow connections without it cannot keep pages out.
MAX_UNAUTHENTICATED = 48


class Connections(Generic[C]):
    """The open connections. A closing one no longer counts, although its socket closes later.

    Thread: the server's.
    """

    def __init__(self) -> None:
        # A dict keeps the order of arrival.
        self._unauthenticated: dict[C, None] = {}
        self._authenticated: set[C] = set()

    def add(self, connection: C) -> C | None:
        """Count a new connection.

        Returns:
            The connection to close: the oldest without the token when there are too many of those, the new one itself
            when the limit is reached; None otherwise.
        """
        if len(self._unauthenticated) + len(self._authenticated) >= MAX_CONNECTIONS:
            return connection
        self._unauthenticated[connection] = None
        if len(self._unauthenticated) <= MAX_UNAUTHENTICATED:
            return None
        oldest = next(iter(self._unauthenticated))
        del self._unauthenticated[oldest]
        return oldest

    def authenticate(self, connection: C) -> None:
        """Note that a connection sent the token."""
        if connection in self._unauthenticated:
            del self._unauthenticated[connection]
            self._authenticated.add(connection)

    def remove(self, connection: C) -> None:
        """Forget a closed connection; an unknown one is ignored."""
        self._unauthenticated.pop(connection, None)
        self._authenticated.discard(connection)
