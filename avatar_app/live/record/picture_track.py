"""Which place on a film's even grid a picture belongs to, by the capture time of the sound that it shows."""

from __future__ import annotations

from collections.abc import Iterator

from avatar_app.contracts.packets import Picture
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns

# The live grid follows the sound's clock and slowly passes the film's: without some give, a picture that lies half-way
# between two places would jump between them with every jitter of its time.
GIVE_NS = ms_to_ns(2)
# A sound that took longer to become a picture was stamped before the program, or the microphone, stood still.
MAX_DELAY_NS = s_to_ns(2)


class PictureLine:
    """Gives each picture its place; place k shows the sound at `t_zero_ns` + k / fps. Thread: one at a time."""

    def __init__(self, t_zero_ns: int, fps: int) -> None:
        self._t_zero_ns = t_zero_ns
        self._fps = fps
        self._delay_ns = 0
        self._held: tuple[int, Picture] | None = None
        self._next = 0
        self.n_late = 0

    def feed(self, picture: Picture) -> Iterator[tuple[int, Picture]]:
        """Places and pictures that are settled now, in order.

        A picture without a new mouth waits for the next one: the mouth of that very place may still come.
        """
        delay_ns = picture.t_ready_ns - picture.t_capture_ns
        has_mouth = not picture.is_repeat and delay_ns <= MAX_DELAY_NS
        if has_mouth:
            self._delay_ns = delay_ns
            self._drop_held_if(self._place(picture.t_capture_ns))
        yield from self.flush()
        # A mouth that rests keeps its old time; the picture moves on nevertheless, as late as those before.
        place = self._place(picture.t_ready_ns - self._delay_ns)
        if place < self._next:
            self.n_late += 1
        elif not has_mouth:
            self._held = (place, picture)
        else:
            self._next = place + 1
            yield place, picture

    def flush(self) -> Iterator[tuple[int, Picture]]:
        """The picture that still waits."""
        held, self._held = self._held, None
        if held is not None:
            self._next = held[0] + 1
            yield held

    def skip_to(self, place: int) -> None:
        """Everything before a place is filled: pictures that come for it now are late."""
        self._next = max(self._next, place)

    def t_ns(self, place: int) -> int:
        """Capture time that a place shows."""
        return self._t_zero_ns + place * NS_PER_S // self._fps

    def place_after(self, t_ns: int) -> int:
        """The first place that does not lie before an instant."""
        return max(0, -((self._t_zero_ns - t_ns) * self._fps // NS_PER_S))

    @property
    def delay_ns(self) -> int:
        """How long after its sound a picture is ready, as it was last."""
        return self._delay_ns

    def _drop_held_if(self, place: int) -> None:
        if self._held is not None and place <= self._held[0]:
            self._held = None
            self.n_late += 1

    def _place(self, t_ns: int) -> int:
        """The nearest place, or the next one when it is nearly as near."""
        expected = self._next if self._held is None else self._held[0] + 1
        away_ns = t_ns - self.t_ns(expected)
        if abs(away_ns) <= NS_PER_S // (2 * self._fps) + GIVE_NS:
            return expected
        return round((t_ns - self._t_zero_ns) * self._fps / NS_PER_S)
