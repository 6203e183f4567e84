"""Presentation timestamps of pictures on an even grid, from the capture time of the sound that they show."""

from __future__ import annotations

from collections.abc import Iterator

from avatar_app.contracts.packets import Picture
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns

# The live grid follows the clock of the sound and slowly drifts against the grid of the file. Without this tolerance a
# picture half-way between two timestamps would alternate between them with every jitter of its time.
TOLERANCE_NS = ms_to_ns(2)
# A longer delay between sound and picture means that the program, or the microphone, was suspended in between.
MAX_DELAY_NS = s_to_ns(2)


class PictureTrack:
    """Assigns timestamps; PTS k shows the sound at `t_zero_ns` + k / fps. Thread: one at a time."""

    def __init__(self, t_zero_ns: int, fps: int) -> None:
        self._t_zero_ns = t_zero_ns
        self._fps = fps
        self._delay_ns = 0
        self._held: tuple[int, Picture] | None = None
        self._next_pts = 0
        self.n_late = 0

    def feed(self, picture: Picture) -> Iterator[tuple[int, Picture]]:
        """Add a picture.

        A picture without a new mouth is held until the next one, because the mouth for its timestamp may still arrive.

        Yields:
            PTS and picture, in order, of all that are settled now.
        """
        delay_ns = picture.t_ready_ns - picture.t_capture_ns
        has_mouth = not picture.is_repeat and delay_ns <= MAX_DELAY_NS
        if has_mouth:
            self._delay_ns = delay_ns
            self._drop_held_from(self._pts(picture.t_capture_ns))
        yield from self.flush()
        # A resting mouth keeps its old capture time. The picture advances nevertheless, with the delay of those before.
        pts = self._pts(picture.t_ready_ns - self._delay_ns)
        if pts < self._next_pts:
            self.n_late += 1
        elif not has_mouth:
            self._held = (pts, picture)
        else:
            self._next_pts = pts + 1
            yield pts, picture

    def flush(self) -> Iterator[tuple[int, Picture]]:
        """Yield the picture that is held."""
        held, self._held = self._held, None
        if held is not None:
            self._next_pts = held[0] + 1
            yield held

    def skip_to(self, pts: int) -> None:
        """Note that all timestamps before this one are taken: pictures for them are late."""
        self._next_pts = max(self._next_pts, pts)

    def t_ns(self, pts: int) -> int:
        """Capture time that a timestamp shows."""
        return self._t_zero_ns + pts * NS_PER_S // self._fps

    def first_pts_from(self, t_ns: int) -> int:
        """The first timestamp at or after an instant."""
        return max(0, -((self._t_zero_ns - t_ns) * self._fps // NS_PER_S))

    @property
    def delay_ns(self) -> int:
        """Time from the capture of the sound to the finished picture, as last measured."""
        return self._delay_ns

    def _drop_held_from(self, pts: int) -> None:
        if self._held is not None and pts <= self._held[0]:
            self._held = None
            self.n_late += 1

    def _pts(self, t_ns: int) -> int:
        """The nearest timestamp, or the expected one when it is nearly as near."""
        expected = self._next_pts if self._held is None else self._held[0] + 1
        difference_ns = t_ns - self.t_ns(expected)
        if abs(difference_ns) <= NS_PER_S // (2 * self._fps) + TOLERANCE_NS:
            return expected
        return round((t_ns - self._t_zero_ns) * self._fps / NS_PER_S)
