"""The one door to the user: a notice waits here until a window, or the terminal, shows it."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.errors import UserError


class Level(enum.Enum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the user. A notice replaces an older one with the same key.

    Attributes:
        is_lasting: it says what is so, stays in sight as long as it is up, and is cleared when it is so no more. Others
            tell what has happened, and leave by themselves.
        command: what `what_to_do` asks to run in a terminal; too long to be typed, so it can be copied.
    """

    key: str
    level: Level
    text: str
    what_to_do: str = ""
    command: str = ""
    is_lasting: bool = False

    @classmethod
    def from_error(cls, key: str, error: UserError, *, is_lasting: bool = False) -> Notice:
        """The notice that shows a user's error."""
        return cls(key, Level.ERROR, error.what, error.what_to_do, is_lasting=is_lasting)


class NoticeBoard:
    """Keeps the current notices. Thread: any; the listener is called on the poster's thread."""

    def __init__(self, on_change: Callable[[Notice], None] | None = None) -> None:
        self._notices: dict[str, Notice] = {}
        self._lock = threading.Lock()
        self._on_change = on_change

    def post(self, notice: Notice) -> None:
        """Show a notice in place of the older one with the same key."""
        with self._lock:
            is_new = self._notices.get(notice.key) != notice
            self._notices[notice.key] = notice
        if is_new and self._on_change is not None:
            self._on_change(notice)

    def clear(self, key: str) -> None:
        """Take a notice down; unknown keys are fine."""
        with self._lock:
            self._notices.pop(key, None)

    def current(self) -> tuple[Notice, ...]:
        """All notices, oldest first."""
        with self._lock:
            return tuple(self._notices.values())
