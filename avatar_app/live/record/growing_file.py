"""A film that grows on the disk and can be played at every moment, even if the program ends in the next one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.encoders import Encoder, configure
from avatar_app.live.record.folder import write_error
from avatar_app.live.record.formats import AAC_BIT_RATE, FilmSize, RecordFormat
from avatar_app.live.record.marking import MARKING
from avatar_app.live.record.video_file import AAC_RATE_HZ

log = logging.getLogger(__name__)

# Pieces that stand for themselves: an index of all would grow by 19 MB an hour. When the film is closed it is copied
# into an ordinary file, see `repair`.
MOVFLAGS = "frag_keyframe+delay_moov+default_base_moof"
# As long are the pieces of a WebM: the last one is what a crash can cost, besides what waits for the encoder.
CLUSTER_MS = "250"


class Film:
    """Encodes pictures and sound into a file. Thread: one at a time.

    Args:
        file: where it goes; closed by its owner.
        kind: format.
        encoder: of the pictures, one that was tried.
        size: of the pictures.
        has_sound: whether there is a track for sound.
        title: shown by players.
    """

    def __init__(
        self, file: DiskFile, kind: RecordFormat, encoder: Encoder, size: FilmSize, *, has_sound: bool, title: str
    ) -> None:
        self._file = file
        self._size = size
        self._encoder = encoder
        self._container = _open(file, kind)
        self._container.metadata.update({"title": title, "comment": MARKING, "description": MARKING})
        self._video = self._container.add_stream(encoder.name, rate=size.fps)
        configure(self._video.codec_context, encoder, size)
        if kind is RecordFormat.WEBM:
            self._video.metadata["alpha_mode"] = "1"
        self._audio = self._add_audio(kind) if has_sound else None
        self._n_samples = 0

    def add_picture(self, picture: Any, slot: int) -> None:
        """Append a picture.

        Args:
            picture: what `frame_of` made.
            slot: its place on the film's grid, above that of the one before.

        Raises:
            OutputError: the file cannot be written, such as when the disk is full.
        """
        picture.pts = slot
        picture.time_base = Fraction(1, self._size.fps)
        self._write(self._video, picture)

    def add_sound(self, samples: Float32) -> None:
        """Append (n,) float32 mono samples at 48 kHz.

        Raises:
            OutputError: as above.
        """
        if self._audio is None or len(samples) == 0:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, :]), format="fltp", layout="mono")
        frame.sample_rate = AAC_RATE_HZ
        frame.pts = self._n_samples
        frame.time_base = Fraction(1, AAC_RATE_HZ)
        self._n_samples += len(samples)
        self._write(self._audio, frame)

    def frame_of(self, pixels: UInt8) -> Any:
        """The pixels as the encoder takes them.

        Args:
            pixels: (H * 3 / 2, W) uint8 planes Y, U, V, or (H, W, 4) uint8 BGRA with straight alpha.
        """
        has_planes = pixels.ndim < 3
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p" if has_planes else "bgra")
        wanted = self._encoder.pixel_format
        return frame if frame.format.name == wanted else frame.reformat(format=wanted)

    def finish(self) -> None:
        """Write what is pending.

        Raises:
            OutputError: as above; what was written until then stays and can be played.
        """
        for stream in (self._video, self._audio):
            if stream is not None:
                self._write(stream, None)
        with self._told():
            self._container.close()
        if self._file.error is not None:
            raise write_error(self._file.path, self._file.error) from self._file.error

    def abandon(self) -> None:
        """Let go of the library's part after a failure; the pieces on the disk stay as they are."""
        if self._file.error is None:
            self._file.error = OSError("abandoned")
        with suppress(OSError, ValueError, av.FFmpegError):
            self._container.close()

    def _add_audio(self, kind: RecordFormat) -> Any:
        stream = self._container.add_stream(kind.sound_codec, rate=AAC_RATE_HZ)
        stream.codec_context.layout = "mono"
        stream.codec_context.bit_rate = AAC_BIT_RATE
        return stream

    def _write(self, stream: Any, frame: Any) -> None:
        with self._told():
            for packet in stream.encode(frame):
                self._container.mux(packet)
        if self._file.error is not None:
            raise write_error(self._file.path, self._file.error) from self._file.error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a failed write into a sentence."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise write_error(self._file.path, self._file.error or error) from error


def _open(file: DiskFile, kind: RecordFormat) -> Any:
    options = {"flush_packets": "1"}
    if kind is RecordFormat.WEBM:
        return av.open(file, "w", format=kind.container, options={**options, "cluster_time_limit": CLUSTER_MS})
    return av.open(file, "w", format=kind.container, options={**options, "movflags": MOVFLAGS})
