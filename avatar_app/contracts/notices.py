"""Messages to the user; the board keeps them until a window or the terminal shows them."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.errors import UserError


class Level(enum.Enum):
    """Severity of a notice."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the user. A notice replaces an older one with the same key.

    Attributes:
        is_lasting: it describes a state: it stays visible until it is cleared. Others report an event and disappear by
            themselves.
        command: the terminal command that `what_to_do` refers to, for a button that copies it.
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

    def info(self, key: str, text: str, what_to_do: str = "", *, is_lasting: bool = False) -> None:
        """Post a notice of level INFO."""
        self.post(Notice(key, Level.INFO, text, what_to_do, is_lasting=is_lasting))

    def warning(self, key: str, text: str, what_to_do: str = "", *, is_lasting: bool = False) -> None:
        """Post a notice of level WARNING."""
        self.post(Notice(key, Level.WARNING, text, what_to_do, is_lasting=is_lasting))

    def error(self, key: str, error: UserError, *, is_lasting: bool = False) -> None:
        """Post a user's error."""
        self.post(Notice.from_error(key, error, is_lasting=is_lasting))

    def clear(self, key: str) -> None:
        """Remove a notice; unknown keys are ignored."""
        with self._lock:
            self._notices.pop(key, None)

    def current(self) -> tuple[Notice, ...]:
        """All notices, oldest first."""
        with self._lock:
            return tuple(self._notices.values())
