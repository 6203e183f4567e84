"""A video file that is whole or not there: written under a temporary name, checked, then renamed."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.packets import Float32, UInt8

log = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".mov", ".mkv")
# Best first: the GPL wheel of PyAV has x264; other builds have the system's encoder, or at least MPEG-4 part 2.
VIDEO_CODECS = ("libx264", "h264_videotoolbox", "h264_mf", "libopenh264", "mpeg4")
BT601, LIMITED_RANGE = 6, 1  # AVCOL_*_SMPTE170M, AVCOL_RANGE_MPEG: what OpenCV's conversion to I420 computes
AAC_RATE_HZ = 48_000
AAC_SAMPLES = 1024
PROVENANCE = "AI-generated avatar: the face in this video is synthetic and was animated from the sound by avatar-app."


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What is written.

    Attributes:
        width_px, height_px: size of every picture, even numbers.
        n_channels: 1 or 2 channels of sound; 0 for none.
        crf: quality of H.264, 0 (lossless) to 51.
        title: shown by players.
    """

    fps: int
    width_px: int
    height_px: int
    n_channels: int
    crf: int = 18
    title: str = ""


class VideoFile:
    """Writes pictures and sound; the file appears under its name when `finish` succeeds, and never otherwise.

    Thread: one at a time.
    """

    def __init__(self, path: Path, layout: VideoFormat) -> None:
        """Open a temporary file beside `path`.

        Raises:
            OutputError: the folder or the name cannot be used.
        """
        self._path = path
        self._layout = layout
        self._n_pictures = 0
        self._n_samples = 0
        self._temporary = _temporary_name(path)
        with self._told():
            self._container: Any = av.open(str(self._temporary), "w", options={"movflags": "faststart"})
        self._container.metadata.update({"title": layout.title, "comment": PROVENANCE, "description": PROVENANCE})
        self._video = self._add_video()
        self._audio = self._add_audio() if layout.n_channels else None

    @property
    def codec(self) -> str:
        """Name of the video encoder in use."""
        return str(self._video.codec_context.codec.name)

    def add_picture(self, i420: UInt8) -> None:
        """Append a picture.

        Args:
            i420: (height * 3 / 2, width) uint8, planes Y, U, V in BT.601 limited range, see `to_i420`.

        Raises:
            OutputError: the file cannot be written, such as when the disk is full.
        """
        frame = av.VideoFrame.from_ndarray(i420, format="yuv420p")
        frame.pts = self._n_pictures
        frame.time_base = Fraction(1, self._layout.fps)
        self._n_pictures += 1
        self._write(self._video, frame)

    def add_sound(self, samples: Float32) -> None:
        """Append (channels, n) float32 samples at 48 kHz.

        Raises:
            OutputError: as above.
        """
        if self._audio is None or samples.shape[1] == 0:
            return
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._audio.layout.name)
        frame.sample_rate = AAC_RATE_HZ
        frame.pts = self._n_samples
        frame.time_base = Fraction(1, AAC_RATE_HZ)
        self._n_samples += samples.shape[1]
        self._write(self._audio, frame)

    def finish(self) -> None:
        """Write what is pending, check the file and give it its name.

        Raises:
            OutputError: as above; nothing stands under the name then but what stood there before.
        """
        for stream in (self._video, self._audio):
            if stream is not None:
                self._write(stream, None)
        with self._told():
            self._container.close()
            self._check()
            os.replace(self._temporary, self._path)

    def discard(self) -> None:
        """Give up and leave no trace; after `finish` this does nothing."""
        try:
            self._container.close()
        except (OSError, av.FFmpegError) as error:
            log.debug("closing a discarded file: %s", error)
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _add_video(self) -> Any:
        name = pick_codec()
        stream = self._container.add_stream(name, rate=self._layout.fps)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self._layout.width_px, self._layout.height_px, "yuv420p"
        context.time_base = Fraction(1, self._layout.fps)
        context.color_range = LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT601
        if name == "libx264":
            context.options = {"preset": "veryfast", "crf": str(self._layout.crf)}
        else:
            context.bit_rate = self._layout.width_px * self._layout.height_px * self._layout.fps // 2
        return stream

    def _add_audio(self) -> Any:
        stream = self._container.add_stream("aac", rate=AAC_RATE_HZ)
        stream.codec_context.layout = "mono" if self._layout.n_channels == 1 else "stereo"
        stream.codec_context.bit_rate = 96_000 * self._layout.n_channels
        return stream

    def _write(self, stream: Any, frame: Any) -> None:
        with self._told():
            for packet in stream.encode(frame):
                self._container.mux(packet)

    def _check(self) -> None:
        """The library does not tell every failed write: read back what counts."""
        with av.open(str(self._temporary)) as written:
            n_readable = sum(packet.size > 0 for packet in written.demux(video=0))
            if n_readable != self._n_pictures:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a failed write into a sentence."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise _output_error(self._path, error) from error


def to_i420(bgra: UInt8) -> UInt8:
    """(H, W, 4) uint8 BGRA, alpha ignored, as (H * 3 / 2, W) uint8 planes Y, U, V in BT.601 limited range."""
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2YUV_I420), dtype=np.uint8)


def pick_codec() -> str:
    """The best video encoder that this build of PyAV has.

    Raises:
        OutputError: it has none.
    """
    for name in VIDEO_CODECS:
        try:
            av.codec.Codec(name, "w")
        except (ValueError, av.FFmpegError):
            continue
        return name
    raise OutputError("This build of PyAV has no video encoder.", "Install the `av` wheel from PyPI: pip install av")


def _temporary_name(path: Path) -> Path:
    """An empty file beside the wanted one, so that the rename stays on one disk.

    Raises:
        OutputError: the name or the folder cannot be used.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"A video cannot be written as {path.name!r}.", f"End the name with {', '.join(SUFFIXES)}.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Name a file.")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        temporary.write_bytes(b"")
    except OSError as error:
        raise _output_error(path, error) from error
    return temporary


def _output_error(path: Path, error: OSError | av.FFmpegError) -> OutputError:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {path} was not written.", "Free some space, or choose another --out.")
    if code == errno.ENOENT:
        return OutputError(f"The folder {path.parent} does not exist.", "Make it, or choose another --out.")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{path.parent} cannot be written to.", "Choose a folder that belongs to you.")
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error)
    return OutputError(f"{path} could not be written: {reason}.", "Check the disk, or choose another --out.")
