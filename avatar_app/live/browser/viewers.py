"""The pages that show the pictures. Each has a mailbox for one picture and at most two pictures in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from avatar_app.contracts.handoff import Latest

# The page draws one while the next one is sent; more would add latency for a slow viewer.
MAX_IN_FLIGHT = 2


class Viewer:
    """One page that shows the pictures. Thread: the server's."""

    def __init__(self) -> None:
        self._next: Latest[bytes] = Latest()
        self._wake = asyncio.Event()
        self._n_in_flight = 0
        self.n_sent = 0

    @property
    def n_dropped(self) -> int:
        """Pictures that were replaced by newer ones before they could be sent."""
        return self._next.n_replaced

    def offer(self, message: bytes) -> None:
        """Queue a picture; it replaces one that waits."""
        self._next.put(message)
        self._wake.set()

    def note_shown(self) -> bool:
        """Note that the page showed a picture.

        Returns:
            False when no picture was in flight.
        """
        if self._n_in_flight == 0:
            return False
        self._n_in_flight -= 1
        self._wake.set()
        return True

    async def send_all(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send the newest picture whenever the page is ready for one, until cancelled or disconnected."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._n_in_flight < MAX_IN_FLIGHT and (message := self._next.take()) is not None:
                self._n_in_flight += 1
                await send(message)
                self.n_sent += 1


class Viewers:
    """All pages that show the pictures. Thread: the server's; any may read the counts."""

    def __init__(self, n_max: int) -> None:
        self._n_max = n_max
        self._viewers: tuple[Viewer, ...] = ()
        self._n_dropped_before = 0

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def is_full(self) -> bool:
        """Whether no further viewer is accepted."""
        return len(self._viewers) >= self._n_max

    @property
    def n_dropped(self) -> int:
        """Pictures dropped because viewers were too slow, of all viewers so far."""
        return self._n_dropped_before + sum(viewer.n_dropped for viewer in self._viewers)

    def add(self) -> Viewer:
        """Add a viewer."""
        viewer = Viewer()
        self._viewers = (*self._viewers, viewer)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer; it gets no more pictures."""
        self._viewers = tuple(other for other in self._viewers if other is not viewer)
        self._n_dropped_before += viewer.n_dropped

    def offer(self, message: bytes) -> None:
        """Queue a picture for every viewer."""
        for viewer in self._viewers:
            viewer.offer(message)
