"""Stops the live avatar while the wizard records, and starts it again."""

from __future__ import annotations

from collections.abc import Callable


class LivePause:
    """Camera and microphone can be open once, and recording needs the processor. Thread: main.

    Args:
        is_running: whether the live avatar runs.
        set_running: starts or stops it.
    """

    def __init__(self, is_running: Callable[[], bool], set_running: Callable[[bool], None]) -> None:
        self._is_running, self._set_running = is_running, set_running
        self._was_running = False

    def forget(self) -> None:
        """Start nothing again: the program ends."""
        self._was_running = False

    def set_live(self, is_live: bool) -> None:
        """Stop the live avatar, or start it again if it was stopped here."""
        if not is_live and self._is_running():
            self._was_running = True
            self._set_running(False)
        elif is_live and self._was_running:
            self._was_running = False
            self._set_running(True)
