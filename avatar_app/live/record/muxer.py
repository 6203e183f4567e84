"""Multiplexes one recording: presentation timestamps of pictures and sound, their order, and what fills a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import Float32, Picture, UInt8, VoiceBlock
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.record.frame_converter import FrameConverter
from avatar_app.live.record.picture_track import PictureTrack
from avatar_app.live.record.sound_track import SoundTrack
from avatar_app.live.record.video_file import AAC_RATE_HZ

# Sound or pictures this late count as missing; silence, or the previous picture, replaces them.
MISSING_NS = ms_to_ns(700)
# A gap is filled with a few pictures at a time, so that sound does not wait for them.
FILL_MAX_PICTURES = 8
# At most this much sound is written between two pictures, so that pictures do not wait for it.
MAX_SOUND_S = 1.0


class Container(Protocol):
    """The file that a muxer writes."""

    def add_picture(self, picture: Any, pts: int) -> None:
        """Append a frame of `frame_of` with its presentation timestamp, in units of 1 / fps."""
        ...

    def add_sound(self, samples: Float32) -> None:
        """Append (n,) float32 mono samples at 48 kHz."""
        ...

    def frame_of(self, pixels: UInt8) -> Any:
        """Wrap pixels in a frame that the encoder accepts."""
        ...

    def finish(self) -> None:
        """Flush the encoders and close the container."""
        ...

    def abandon(self) -> None:
        """Close after a failure; the file on the disk does not change."""
        ...


@dataclass(frozen=True, slots=True)
class MuxerCounts:
    """Pictures in the file, those of them that fill a gap, and late ones that were left out."""

    n_pictures: int = 0
    n_repeated: int = 0
    n_late: int = 0


class Muxer:
    """Puts pictures and sound on the timeline of the recording, which begins with the first picture.

    Thread: one at a time.

    Args:
        container: the file.
        converter: converts pictures to the encoder's format.
        fps: of the file.
        t_zero_ns: capture time of the first picture.
        voice: the sound; None records no sound.
    """

    def __init__(
        self,
        container: Container,
        converter: FrameConverter,
        fps: int,
        t_zero_ns: int,
        voice: Ring[VoiceBlock] | None,
    ) -> None:
        self._container = container
        self._converter = converter
        self._fps = fps
        self._voice = voice
        self._pictures = PictureTrack(t_zero_ns, fps)
        self._sound = SoundTrack(t_zero_ns)
        self._last_frame: Any = None
        self._last_pixels: UInt8 = np.zeros(0, np.uint8)
        self._next_pts = 0
        self._end_pts: int | None = None
        self._n_pictures = 0
        self._n_repeated = 0

    @property
    def counts(self) -> MuxerCounts:
        """Counts so far."""
        return MuxerCounts(self._n_pictures, self._n_repeated, self._pictures.n_late)

    @property
    def seconds(self) -> float:
        """Duration of the recording so far."""
        return self._next_pts / self._fps

    @property
    def is_complete(self) -> bool:
        """Whether the recording has reached the end that `end_at` set."""
        return self._end_pts is not None and self._next_pts >= self._end_pts

    @property
    def n_waiting_blocks(self) -> int:
        """Voice blocks that wait to be written."""
        return len(self._voice) if self._voice is not None else 0

    def add_sound(self, n_blocks: int) -> None:
        """Write this many waiting voice blocks, but at most one second of sound."""
        seconds = 0.0
        for _ in range(n_blocks):
            block = self._voice.take() if self._voice is not None and seconds < MAX_SOUND_S else None
            if block is None:
                return
            seconds += len(block.samples) / block.rate_hz
            for piece in self._sound.feed(block):
                self._container.add_sound(piece)

    def add_picture(self, picture: Picture, *, is_behind: bool = False) -> None:
        """Write a picture, and repeat the previous one for every frame that is missing between them.

        Args:
            picture: the next one.
            is_behind: the encoder is too slow: missing frames are left out, and players show the previous one longer.
        """
        for pts, settled in self._pictures.feed(picture):
            self._write(pts, settled, is_behind=is_behind)

    def fill_gaps(self, now_ns: int) -> None:
        """Fill what has been missing for too long, with silence or the picture before."""
        t_ns = now_ns - MISSING_NS
        if self._voice is not None and not self.n_waiting_blocks:
            for piece in self._sound.fill(t_ns):
                self._container.add_sound(piece)
        pts = self._pictures.first_pts_from(t_ns - self._pictures.delay_ns)
        if pts > self._next_pts:
            for settled_pts, settled in self._pictures.flush():
                self._write(settled_pts, settled, is_behind=False)
            self._repeat(min(pts, self._next_pts + FILL_MAX_PICTURES))

    def end_at(self, t_ns: int) -> None:
        """End the recording with the picture that shows this instant."""
        self._set_end(max(1, self._pictures.first_pts_from(t_ns)))

    def finish(self, *, is_cut: bool = False) -> None:
        """Write what waits, and fill up to the end.

        Args:
            is_cut: end with what has been written, because there is no time for more.
        """
        if is_cut:
            self._set_end(self._next_pts)
        else:
            self._write_waiting()
        if self._end_pts is None:
            self._set_end(self._next_pts)
        self._repeat(self._end_pts or 0)
        if self._voice is not None:
            for piece in self._sound.finish():
                self._container.add_sound(piece)

    def _write_waiting(self) -> None:
        while self.n_waiting_blocks:
            self.add_sound(self.n_waiting_blocks)
        for pts, picture in self._pictures.flush():
            self._write(pts, picture, is_behind=False)

    def _set_end(self, pts: int) -> None:
        self._end_pts = pts
        self._sound.end_at(pts * AAC_RATE_HZ // self._fps)

    def _write(self, pts: int, picture: Picture, *, is_behind: bool) -> None:
        if self._end_pts is not None and pts >= self._end_pts:
            self._repeat(self._end_pts)
            return
        if self._last_frame is not None and not is_behind:
            self._repeat(pts)
        if self._last_frame is None or picture.pixels is not self._last_pixels:
            self._last_frame = self._container.frame_of(self._converter.convert(picture.pixels))
            self._last_pixels = picture.pixels
        self._append(pts)

    def _repeat(self, end_pts: int) -> None:
        """Write the last picture again, up to a timestamp."""
        while self._last_frame is not None and self._next_pts < end_pts:
            self._n_repeated += 1
            self._append(self._next_pts)

    def _append(self, pts: int) -> None:
        self._container.add_picture(self._last_frame, pts)
        self._n_pictures += 1
        self._next_pts = pts + 1
        self._pictures.skip_to(self._next_pts)
