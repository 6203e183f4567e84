"""Decodes the default sound track of a file, skipping damage; each piece has the file's time stamp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from avatar_app.contracts.packets import Float32
from avatar_app.live.media_file import MEDIA_ERRORS, packets

# FFmpeg's AVFMT_GENERIC_INDEX and AVFMT_TS_DISCONT. A format with the first alone holds no times: FFmpeg adds up
# durations, which are wrong after a change of rate.
GENERIC_INDEX, DISCONTINUOUS = 0x100, 0x200
US_PER_S = 1_000_000
MAX_LOST_PACKET_S = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Decoded sound.

    Attributes:
        t_s: presentation time from the beginning of the file; None for directly after the previous piece.
        samples: (n, channels) float32, finite.
    """

    t_s: float | None
    rate_hz: int
    samples: Float32


class Decoder:
    """Reads an open container once, from its beginning to its end. Thread: one.

    Attributes:
        lost_s: seconds that could not be decoded so far, replaced by silence.
        video_end_s: end of the last video frame so far; 0 without video.
        duration_s: the length in the header, which may be wrong; None if the header has none.
        is_discontinuous: whether time stamps of this format may jump.
        is_truncated: whether the container could not be read to its end.
    """

    def __init__(self, container: Any) -> None:
        self._container = container
        self._stream = container.streams.best("audio")
        self._video = container.streams.video
        flags = int(container.format.flags)
        self.is_discontinuous = bool(flags & DISCONTINUOUS)
        self._has_times = self.is_discontinuous or not flags & GENERIC_INDEX
        self._start_s = (container.start_time or 0) / US_PER_S
        self.duration_s = container.duration / US_PER_S if container.duration else None
        self._to_packed: Any = None
        self._format: Any = None
        self._last: Piece | None = None
        self.is_truncated = False
        self.lost_s = 0.0
        self.video_end_s = 0.0

    def pieces(self) -> Iterator[Piece]:
        """The sound in the file's order; nothing without a sound track."""
        if self._stream is None or self._stream.codec_context is None:
            return
        for packet in self._packets():
            if packet.stream_index != self._stream.index:
                self._note_video(packet)
                continue
            try:
                decoded = [self._piece(frame) for frame in packet.decode()]
            except MEDIA_ERRORS:
                decoded = self._silence_for(packet)
            for self._last in decoded:
                yield self._last

    def _packets(self) -> Iterator[Any]:
        """The packets of sound and video, until the container ends or is damaged."""
        try:
            yield from packets(self._container, self._stream, *self._video)
        except MEDIA_ERRORS:
            self.is_truncated = True

    def _piece(self, frame: Any) -> Piece:
        has_time = self._has_times and frame.pts is not None
        t_s = float(frame.pts * frame.time_base) - self._start_s if has_time else None
        return Piece(t_s, frame.sample_rate, self._samples(frame))

    def _samples(self, frame: Any) -> Float32:
        """(n, channels) for any sample format, which may change within a file."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._format:
            self._format = kind
            # Packed, not planar: PyAV 18 reads beyond the planes of frames with many channels.
            self._to_packed = av.AudioResampler(format="flt")
        packed = [f.to_ndarray().reshape(-1, f.layout.nb_channels) for f in self._to_packed.resample(frame)]
        return np.asarray(np.nan_to_num(np.concatenate(packed), nan=0.0, posinf=0.0, neginf=0.0), np.float32)

    def _silence_for(self, packet: Any) -> list[Piece]:
        """Silence in place of a packet that cannot be decoded."""
        length_s = min(MAX_LOST_PACKET_S, float((packet.duration or 0) * packet.time_base))
        self.lost_s += length_s
        if self._last is None:
            return []
        shape = (round(length_s * self._last.rate_hz), self._last.samples.shape[1])
        return [Piece(None, self._last.rate_hz, np.zeros(shape, np.float32))]

    def _note_video(self, packet: Any) -> None:
        """Track the end of the video; an album cover has no duration."""
        if packet.pts is not None:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._start_s
            self.video_end_s = max(self.video_end_s, end_s)
