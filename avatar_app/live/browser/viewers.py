"""Who looks on: one place for one picture each, and never more than two pictures on the way to a viewer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from avatar_app.contracts.handoff import Latest

# One is drawn while the next travels; with more, a slow viewer would see the past.
MAX_ON_THE_WAY = 2


class Viewer:
    """One page that shows the pictures. Thread: the server's."""

    def __init__(self) -> None:
        self._next: Latest[bytes] = Latest()
        self._wake = asyncio.Event()
        self._n_on_the_way = 0
        self.n_sent = 0

    @property
    def n_dropped(self) -> int:
        """Pictures that were replaced by newer ones before they could be sent."""
        return self._next.n_replaced

    def offer(self, message: bytes) -> None:
        """Leave a picture; the one that still waits is dropped."""
        self._next.put(message)
        self._wake.set()

    def note_shown(self) -> bool:
        """The page says that it showed a picture. False when it cannot have."""
        if self._n_on_the_way == 0:
            return False
        self._n_on_the_way -= 1
        self._wake.set()
        return True

    async def send_all(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send the newest picture whenever the page is ready for one, until cancelled or cut off."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._n_on_the_way < MAX_ON_THE_WAY and (message := self._next.take()) is not None:
                self._n_on_the_way += 1
                await send(message)
                self.n_sent += 1


class Viewers:
    """All pages that show the pictures. Thread: the server's; the counts may be read by any."""

    def __init__(self, n_most: int) -> None:
        self._n_most = n_most
        self._viewers: tuple[Viewer, ...] = ()
        self._n_dropped_before = 0

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another."""
        return len(self._viewers) >= self._n_most

    @property
    def n_dropped(self) -> int:
        """Pictures that viewers were too slow for, of all viewers so far."""
        return self._n_dropped_before + sum(viewer.n_dropped for viewer in self._viewers)

    def add(self) -> Viewer:
        """A new viewer."""
        viewer = Viewer()
        self._viewers = (*self._viewers, viewer)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Send nothing more to a viewer."""
        self._viewers = tuple(other for other in self._viewers if other is not viewer)
        self._n_dropped_before += viewer.n_dropped

    def offer(self, message: bytes) -> None:
        """Leave a picture for everyone."""
        for viewer in self._viewers:
            viewer.offer(message)
