"""The event booth: the face alone on the whole screen, which invites when nobody has spoken for a while."""

from __future__ import annotations

from avatar_app.contracts.units import s_to_ns

LEAVE_KEY = "Ctrl+Shift+K"
INVITATION = "Speak to me"
INVITE_AFTER_NS = s_to_ns(20)


class Attract:
    """Decides when to invite. Thread: main.

    Args:
        t_now_ns: an instant of the program's clock.
    """

    def __init__(self, t_now_ns: int) -> None:
        self._t_spoken_ns = t_now_ns

    def caption(self, *, is_speaking: bool, t_now_ns: int) -> str:
        """What is written over the picture now; empty while somebody speaks, and for a while after."""
        if is_speaking:
            self._t_spoken_ns = t_now_ns
        return INVITATION if t_now_ns - self._t_spoken_ns > INVITE_AFTER_NS else ""
