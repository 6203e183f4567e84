"""A fragmented container file: playable at any moment while it is written, even after a crash."""

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
from avatar_app.live.record.formats import AAC_BIT_RATE, RecordFormat, VideoSize
from avatar_app.live.record.marking import MARKING
from avatar_app.live.record.video_file import AAC_RATE_HZ

log = logging.getLogger(__name__)

# Self-contained fragments: one index of all samples would grow by 19 MB an hour. A finished recording is remuxed into
# an ordinary file, see `repair`.
MOVFLAGS = "frag_keyframe+delay_moov+default_base_moof"
# Duration of a WebM cluster. A crash loses the last one, and what waits for the encoder.
CLUSTER_MS = "250"


class FragmentedFile:
    """Encodes pictures and sound into a fragmented MP4 or MOV, or a WebM. Thread: one at a time.

    Args:
        file: the open file; its owner closes it.
        kind: format.
        encoder: of the pictures, already tested.
        size: of the pictures.
        has_sound: whether there is a sound track.
        title: shown by players.
    """

    def __init__(
        self, file: DiskFile, kind: RecordFormat, encoder: Encoder, size: VideoSize, *, has_sound: bool, title: str
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

    def add_picture(self, picture: Any, pts: int) -> None:
        """Append a picture.

        Args:
            picture: a frame of `frame_of`.
            pts: presentation timestamp in units of 1 / fps, above the previous one.

        Raises:
            OutputError: the file cannot be written, such as when the disk is full.
        """
        picture.pts = pts
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
        """Wrap pixels in a frame that the encoder accepts.

        Args:
            pixels: (H * 3 / 2, W) uint8 planes Y, U, V, or (H, W, 4) uint8 BGRA with straight alpha.
        """
        has_planes = pixels.ndim < 3
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p" if has_planes else "bgra")
        wanted = self._encoder.pixel_format
        return frame if frame.format.name == wanted else frame.reformat(format=wanted)

    def finish(self) -> None:
        """Flush the encoders and close the container.

        Raises:
            OutputError: as above; what was written before stays playable.
        """
        for stream in (self._video, self._audio):
            if stream is not None:
                self._write(stream, None)
        with self._as_output_error():
            self._container.close()
        if self._file.error is not None:
            raise write_error(self._file.path, self._file.error) from self._file.error

    def abandon(self) -> None:
        """Close the library's part after a failure; the fragments on the disk stay as they are."""
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
        with self._as_output_error():
            for packet in stream.encode(frame):
                self._container.mux(packet)
        if self._file.error is not None:
            raise write_error(self._file.path, self._file.error) from self._file.error

    @contextmanager
    def _as_output_error(self) -> Iterator[None]:
        """Raise a failed write as an `OutputError`."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise write_error(self._file.path, self._file.error or error) from error


def _open(file: DiskFile, kind: RecordFormat) -> Any:
    options = {"flush_packets": "1"}
    if kind is RecordFormat.WEBM:
        return av.open(file, "w", format=kind.container, options={**options, "cluster_time_limit": CLUSTER_MS})
    return av.open(file, "w", format=kind.container, options={**options, "movflags": MOVFLAGS})
