"""A video file of one sentence: every camera picture at its own time, and the sound without loss."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.packets import Float32, UInt8, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record.encoders import SOFTWARE, Encoder, configure, first_working
from avatar_app.live.record.formats import RecordFormat, VideoSize
from avatar_app.live.record.sound_track import SoundTrack
from avatar_app.live.record.video_file import AAC_RATE_HZ as RATE_HZ

CONTAINER, SOUND_CODEC = "matroska", "flac"
# Milliseconds: the resolution of Matroska.
TICKS_PER_S = 1000
MAX_FPS = 60
# Nearly without loss, and quick enough for 720p in real time on one core.
X264 = Encoder("libx264", options={"preset": "superfast", "crf": "16"}, has_bit_rate=False)
ENCODERS = (X264, *SOFTWARE[1:])
FLAC_PEAK = 32767


class SentenceFile:
    """Writes one file; it appears under its name when `finish` succeeds, and never otherwise. Thread: one at a time.

    Args:
        path: of the file, which ends with `RECORDING_SUFFIX`.
        size: width and height of the pictures; an odd last row or column is left out.
        t_zero_ns: instant at which the file begins.

    Raises:
        OutputError: the file cannot be written, or no encoder works here.
    """

    def __init__(self, path: Path, size: tuple[int, int], t_zero_ns: int) -> None:
        self._path, self._t_zero_ns = path, t_zero_ns
        self._width, self._height = size[0] // 2 * 2, size[1] // 2 * 2
        self._sound_track = SoundTrack(t_zero_ns)
        self._last_pts = -1
        self._n_samples = 0
        self._container: Any = None
        self._temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp")
        layout = VideoSize(self._width, self._height, MAX_FPS)
        encoder = first_working(ENCODERS, RecordFormat.MP4, layout)
        self._pixel_format = encoder.pixel_format
        with self._as_output_error():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._temporary), "w", format=CONTAINER)
            self._video = self._add_video(encoder, layout)
            self._audio = self._add_audio()

    def add_picture(self, bgr: UInt8, t_capture_ns: int) -> None:
        """Append a picture (H, W, 3) uint8 BGR; one from before the beginning or out of order is left out.

        Raises:
            OutputError: the file cannot be written, such as when the disk is full.
        """
        pts = (t_capture_ns - self._t_zero_ns) * TICKS_PER_S // NS_PER_S
        if pts <= self._last_pts or bgr.shape[0] < self._height or bgr.shape[1] < self._width:
            return
        self._last_pts = pts
        planes = cv2.cvtColor(np.ascontiguousarray(bgr[: self._height, : self._width]), cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        if self._pixel_format != "yuv420p":
            frame = frame.reformat(format=self._pixel_format)
        frame.pts, frame.time_base = pts, Fraction(1, TICKS_PER_S)
        self._write(self._video, frame)

    def add_sound(self, block: VoiceBlock) -> None:
        """Append sound, which is placed by its capture time.

        Raises:
            OutputError: as above.
        """
        self._add_pieces(self._sound_track.feed(block))

    def finish(self, t_end_ns: int) -> None:
        """End the sound at an instant, close the file and rename it.

        Raises:
            OutputError: as above; nothing is left then.
        """
        self._sound_track.end_at(max(0, (t_end_ns - self._t_zero_ns) * RATE_HZ // NS_PER_S))
        self._add_pieces(self._sound_track.finish())
        for stream in (self._video, self._audio):
            self._write(stream, None)
        with self._as_output_error():
            self._container.close()
            self._check()
            os.replace(self._temporary, self._path)

    def discard(self) -> None:
        """Close and delete the unfinished file; does nothing after `finish`."""
        with suppress(OSError, ValueError, av.FFmpegError):
            if self._container is not None:
                self._container.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _add_video(self, encoder: Encoder, layout: VideoSize) -> Any:
        stream = self._container.add_stream(encoder.name, rate=MAX_FPS)
        configure(stream.codec_context, encoder, layout)
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        return stream

    def _add_audio(self) -> Any:
        stream: Any = self._container.add_stream(SOUND_CODEC, rate=RATE_HZ)
        stream.codec_context.layout, stream.codec_context.format = "mono", "s16"
        return stream

    def _add_pieces(self, pieces: Iterator[Float32]) -> None:
        for piece in pieces:
            whole = np.round(np.clip(piece, -1, 1) * FLAC_PEAK).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
            frame.sample_rate = RATE_HZ
            frame.pts, frame.time_base = self._n_samples, Fraction(1, RATE_HZ)
            self._n_samples += len(piece)
            self._write(self._audio, frame)

    def _write(self, stream: Any, frame: Any) -> None:
        with self._as_output_error():
            for packet in stream.encode(frame):
                self._container.mux(packet)

    def _check(self) -> None:
        """Read the end back, because the library does not report every failed write."""
        with av.open(str(self._temporary)) as written:
            if not any(packet.size for packet in written.demux(video=0)):
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def _as_output_error(self) -> Iterator[None]:
        """Raise a failed write as an `OutputError`, and delete the file."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            self.discard()
            raise _write_error(error) from error


def _write_error(error: Exception) -> OutputError:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            "The disk is full: this sentence was not recorded.",
            "Free some space, then repeat it. The sentences before it are kept.",
        )
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error)
    return OutputError(
        f"This sentence could not be recorded: {reason.rstrip('.')}.",
        "Check the disk, then repeat it. The sentences before it are kept.",
    )
