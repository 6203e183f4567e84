"""The only two ways in which threads pass items: `Latest` keeps the newest, `Ring` keeps the order.

`Mailboxes` and `Fan` pass each item to any number of them.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Mailbox for one item: a new item replaces an unread one, which is counted. Thread: any."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._fresh = threading.Condition()
        self._n_replaced = 0
        self._n_put = 0

    def put(self, item: T) -> None:
        """Put an item; never blocks."""
        with self._fresh:
            self._n_replaced += self._item is not None
            self._n_put += 1
            self._item = item
            self._fresh.notify()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """Take the newest item, waiting at most `timeout_s`; None if there is none."""
        with self._fresh:
            if self._item is None and timeout_s > 0:
                self._fresh.wait_for(lambda: self._item is not None, timeout_s)
            item, self._item = self._item, None
            return item

    @property
    def n_replaced(self) -> int:
        """Items that were replaced before they were read."""
        with self._fresh:
            return self._n_replaced

    @property
    def n_put(self) -> int:
        """Items put so far."""
        with self._fresh:
            return self._n_put


class Ring(Generic[T]):
    """Bounded queue that keeps the order; when full, it drops and counts the oldest item. Thread: any."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a ring needs a capacity of at least one")
        self._items: deque[T] = deque(maxlen=capacity)
        self._fresh = threading.Condition()
        self._n_lost = 0

    def put(self, item: T) -> None:
        """Append an item; never blocks."""
        with self._fresh:
            self._n_lost += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._fresh.notify()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """Take the oldest item, waiting at most `timeout_s`; None if there is none."""
        with self._fresh:
            if not self._items and timeout_s > 0:
                self._fresh.wait_for(lambda: bool(self._items), timeout_s)
            return self._items.popleft() if self._items else None

    def clear(self) -> None:
        """Remove all items; they do not count as lost."""
        with self._fresh:
            self._items.clear()

    def __len__(self) -> int:
        with self._fresh:
            return len(self._items)

    @property
    def n_lost(self) -> int:
        """Items dropped because the ring was full."""
        with self._fresh:
            return self._n_lost


class Mailboxes(Generic[T]):
    """One source and any number of `Latest`, which can be added and removed while it runs. Thread: any."""

    def __init__(self) -> None:
        self._mailboxes: tuple[Latest[T], ...] = ()
        self._lock = threading.Lock()

    def add(self) -> Latest[T]:
        """Add a mailbox; it gets every item from now on."""
        mailbox: Latest[T] = Latest()
        with self._lock:
            self._mailboxes = (*self._mailboxes, mailbox)
        return mailbox

    def remove(self, mailbox: Latest[T]) -> None:
        """Remove a mailbox; an unknown one is ignored."""
        with self._lock:
            self._mailboxes = tuple(other for other in self._mailboxes if other is not mailbox)

    def put(self, item: T) -> None:
        """Put an item into all mailboxes; never blocks."""
        for mailbox in self._mailboxes:
            mailbox.put(item)

    def __len__(self) -> int:
        return len(self._mailboxes)


class Fan(Generic[T]):
    """One source and any number of `Ring`, which can be added and removed while it runs. Thread: any."""

    def __init__(self) -> None:
        self._rings: tuple[Ring[T], ...] = ()
        self._lock = threading.Lock()

    def add(self, capacity: int) -> Ring[T]:
        """Add a ring; it gets every item from now on."""
        ring: Ring[T] = Ring(capacity)
        with self._lock:
            self._rings = (*self._rings, ring)
        return ring

    def remove(self, ring: Ring[T]) -> None:
        """Remove a ring; an unknown one is ignored."""
        with self._lock:
            self._rings = tuple(other for other in self._rings if other is not ring)

    def put(self, item: T) -> None:
        """Append an item to all rings; never blocks."""
        for ring in self._rings:
            ring.put(item)
