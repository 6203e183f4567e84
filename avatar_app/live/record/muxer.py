"""One recording, from its first picture to its last: what is encoded, in which order, and what stands in for a hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import Float32, Picture, UInt8, VoiceBlock
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.record.canvas import Canvas
from avatar_app.live.record.picture_track import PictureLine
from avatar_app.live.record.sound_track import SoundLine
from avatar_app.live.record.video_file import AAC_RATE_HZ

# What has not come this long after it should have is taken as missing: silence, or the picture before.
MISSING_NS = ms_to_ns(700)
# Holes are filled little by little, so that sound is never kept waiting for pictures.
FILL_AT_ONCE = 8
# As much sound is written between two pictures, so that pictures are never kept waiting for sound.
HEAR_AT_ONCE_S = 1.0


class FilmLike(Protocol):
    """What a take writes into."""

    def add_picture(self, picture: Any, slot: int) -> None:
        """Append an encoder's picture at a place."""
        ...

    def add_sound(self, samples: Float32) -> None:
        """Append (n,) float32 at 48 kHz."""
        ...

    def frame_of(self, pixels: UInt8) -> Any:
        """What the encoder takes."""
        ...


@dataclass(frozen=True, slots=True)
class TakeCounts:
    """What a take counted: pictures in the film, those of them that stand in for a hole, and late ones left out."""

    n_pictures: int = 0
    n_repeated: int = 0
    n_late: int = 0


class Take:
    """Puts pictures and sound onto the film's time, which begins with the first picture.

    Thread: one at a time.

    Args:
        film: what is written.
        canvas: makes pictures the film's.
        fps: of the film.
        t_zero_ns: capture time of the first picture.
        voice: the sound; None for a silent film.
    """

    def __init__(
        self, film: FilmLike, canvas: Canvas, fps: int, t_zero_ns: int, voice: Ring[VoiceBlock] | None
    ) -> None:
        self._film = film
        self._canvas = canvas
        self._fps = fps
        self._voice = voice
        self._pictures = PictureLine(t_zero_ns, fps)
        self._sound = SoundLine(t_zero_ns)
        self._last: Any = None
        self._last_pixels: UInt8 = np.zeros(0, np.uint8)
        self._next = 0
        self._end: int | None = None
        self._n_pictures = 0
        self._n_repeated = 0

    @property
    def counts(self) -> TakeCounts:
        """How many pictures went where."""
        return TakeCounts(self._n_pictures, self._n_repeated, self._pictures.n_late)

    @property
    def seconds(self) -> float:
        """Length of the film so far."""
        return self._next / self._fps

    @property
    def is_complete(self) -> bool:
        """Whether the film has reached the end that `end_at` set."""
        return self._end is not None and self._next >= self._end

    @property
    def n_heard(self) -> int:
        """Voice blocks that wait to be written."""
        return len(self._voice) if self._voice is not None else 0

    def hear(self, n_blocks: int) -> None:
        """Write so many voice blocks, or a second of them if that is less."""
        seconds = 0.0
        for _ in range(n_blocks):
            block = self._voice.take() if self._voice is not None and seconds < HEAR_AT_ONCE_S else None
            if block is None:
                return
            seconds += len(block.samples) / block.rate_hz
            for piece in self._sound.feed(block):
                self._film.add_sound(piece)

    def see(self, picture: Picture, *, is_behind: bool = False) -> None:
        """Write a picture, and the one before again in places that stayed empty.

        Args:
            picture: the next one.
            is_behind: the encoder does not keep up: empty places stay empty, which players show as the picture before.
        """
        for place, settled in self._pictures.feed(picture):
            self._write(place, settled, is_behind=is_behind)

    def catch_up(self, now_ns: int) -> None:
        """Fill what is missing for too long: silence, the picture before."""
        t_ns = now_ns - MISSING_NS
        if self._voice is not None and not self.n_heard:
            for piece in self._sound.fill(t_ns):
                self._film.add_sound(piece)
        place = self._pictures.place_after(t_ns - self._pictures.delay_ns)
        if place > self._next:
            for settled_place, settled in self._pictures.flush():
                self._write(settled_place, settled, is_behind=False)
            self._repeat(min(place, self._next + FILL_AT_ONCE))

    def end_at(self, t_ns: int) -> None:
        """The film ends with the picture that shows this instant."""
        self._end_before(max(1, self._pictures.place_after(t_ns)))

    def finish(self, *, is_cut: bool = False) -> None:
        """Write what waits, and fill up to the end.

        Args:
            is_cut: end with what is written already, because there is no time for more.
        """
        if is_cut:
            self._end_before(self._next)
        else:
            self._write_waiting()
        if self._end is None:
            self._end_before(self._next)
        self._repeat(self._end or 0)
        if self._voice is not None:
            for piece in self._sound.finish():
                self._film.add_sound(piece)

    def _write_waiting(self) -> None:
        while self.n_heard:
            self.hear(self.n_heard)
        for place, picture in self._pictures.flush():
            self._write(place, picture, is_behind=False)

    def _end_before(self, place: int) -> None:
        self._end = place
        self._sound.end_at(place * AAC_RATE_HZ // self._fps)

    def _write(self, place: int, picture: Picture, *, is_behind: bool) -> None:
        if self._end is not None and place >= self._end:
            self._repeat(self._end)
            return
        if self._last is not None and not is_behind:
            self._repeat(place)
        if self._last is None or picture.pixels is not self._last_pixels:
            self._last = self._film.frame_of(self._canvas.paint(picture.pixels))
            self._last_pixels = picture.pixels
        self._add(place)

    def _repeat(self, end: int) -> None:
        """The last picture again, up to a place."""
        while self._last is not None and self._next < end:
            self._n_repeated += 1
            self._add(self._next)

    def _add(self, place: int) -> None:
        self._film.add_picture(self._last, place)
        self._n_pictures += 1
        self._next = place + 1
        self._pictures.skip_to(self._next)
