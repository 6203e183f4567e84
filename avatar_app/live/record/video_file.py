"""A video file that is complete or absent: written under a temporary name, read back, then renamed."""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from avatar_app.live.media_file import shown
from avatar_app.live.record.encoders import Encoder, configure, first_working, offline_encoders
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES, RecordFormat, VideoSize

log = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
ALPHA_SUFFIXES = (".mov", ".webm")
AAC_RATE_HZ = 48_000
AAC_SAMPLES = 1024
PROVENANCE = "AI-generated avatar: the face in this video is synthetic and was animated from the sound by avatar-app."


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Layout of a video file.

    Attributes:
        width_px, height_px: size of every picture, even numbers.
        n_channels: 1 or 2 channels of sound; 0 for no sound track.
        crf: quality, 0 (best) to that of `encoders.WORST_CRF`; ProRes has none.
        title: shown by players.
        has_alpha: keep transparency, in a file of `ALPHA_SUFFIXES`.
    """

    fps: int
    width_px: int
    height_px: int
    n_channels: int
    crf: int = 18
    title: str = ""
    has_alpha: bool = False


class VideoFile:
    """Writes pictures and sound; the file appears under its name when `finish` succeeds, and never otherwise.

    Thread: one at a time.
    """

    def __init__(self, path: Path, layout: VideoFormat) -> None:
        """Open a temporary file beside `path`.

        Raises:
            OutputError: the folder or the name cannot be used, or no encoder works here.
        """
        self._path = path
        self._layout = layout
        self._kind = format_of(path, has_alpha=layout.has_alpha)
        self._size = VideoSize(layout.width_px, layout.height_px, layout.fps)
        self._encoder = self._pick_encoder()
        self._n_pictures = 0
        self._n_samples = 0
        self._temporary = _temporary_name(path)
        options = {"movflags": "faststart"} if path.suffix.lower() in FRAGMENTED_SUFFIXES else {}
        with self._as_output_error():
            self._container: Any = av.open(str(self._temporary), "w", options=options)
        self._container.metadata.update({"title": layout.title, "comment": PROVENANCE, "description": PROVENANCE})
        self._video = self._add_video()
        self._audio = self._add_audio() if layout.n_channels else None

    @property
    def codec(self) -> str:
        """Name of the video encoder in use."""
        return str(self._video.codec_context.codec.name)

    def add_picture(self, pixels: UInt8) -> None:
        """Append a picture.

        Args:
            pixels: (height * 3 / 2, width) uint8, planes Y, U, V in BT.601 limited range, see `to_i420`; where
                transparency is kept, (height, width, 4) uint8 BGRA, straight alpha.

        Raises:
            OutputError: the file cannot be written, such as when the disk is full.
        """
        frame = av.VideoFrame.from_ndarray(pixels, format="bgra" if self._layout.has_alpha else "yuv420p")
        if frame.format.name != self._encoder.pixel_format:
            frame = frame.reformat(format=self._encoder.pixel_format)
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
        """Flush the encoders, check the file and rename it.

        Raises:
            OutputError: as above; a file that had this name before is unchanged.
        """
        for stream in (self._video, self._audio):
            if stream is not None:
                self._write(stream, None)
        with self._as_output_error():
            self._container.close()
            self._check()
            os.replace(self._temporary, self._path)

    def discard(self) -> None:
        """Close and delete the temporary file; does nothing after `finish`."""
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

    def _pick_encoder(self) -> Encoder:
        encoders = offline_encoders(self._kind, self._layout.crf, has_alpha=self._layout.has_alpha)
        return first_working(encoders, self._kind, self._size)

    def _add_video(self) -> Any:
        stream = self._container.add_stream(self._encoder.name, rate=self._layout.fps)
        configure(stream.codec_context, self._encoder, self._size, is_live=False)
        if self._kind is RecordFormat.WEBM and self._layout.has_alpha:
            stream.metadata["alpha_mode"] = "1"
        return stream

    def _add_audio(self) -> Any:
        stream = self._container.add_stream(self._kind.sound_codec, rate=AAC_RATE_HZ)
        stream.codec_context.layout = "mono" if self._layout.n_channels == 1 else "stereo"
        stream.codec_context.bit_rate = 96_000 * self._layout.n_channels
        return stream

    def _write(self, stream: Any, frame: Any) -> None:
        with self._as_output_error():
            for packet in stream.encode(frame):
                self._container.mux(packet)

    def _check(self) -> None:
        """Read the pictures back, because the library does not report every failed write."""
        with av.open(str(self._temporary)) as written:
            n_readable = sum(packet.size > 0 for packet in written.demux(video=0))
            if n_readable != self._n_pictures:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def _as_output_error(self) -> Iterator[None]:
        """Raise a failed write as an `OutputError`."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise _output_error(self._path, error) from error


def to_i420(bgra: UInt8) -> UInt8:
    """(H, W, 4) uint8 BGRA, alpha ignored, as (H * 3 / 2, W) uint8 planes Y, U, V in BT.601 limited range."""
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2YUV_I420), dtype=np.uint8)


def format_of(path: Path, *, has_alpha: bool) -> RecordFormat:
    """The format for a file name: WebM, ProRes for a .mov with transparency, else H.264.

    Raises:
        OutputError: the suffix is not one of `SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        name = shown(path.name)
        raise OutputError(f"A video cannot be written as {name!r}.", f"End the name with {', '.join(SUFFIXES)}.")
    if suffix == ".webm":
        return RecordFormat.WEBM
    return RecordFormat.PRORES if suffix == ".mov" and has_alpha else RecordFormat.MP4


def _temporary_name(path: Path) -> Path:
    """An empty file in the same folder, so that the rename stays on one file system.

    Not `contracts.atomic_file`: FFmpeg finds the format by the suffix, so the temporary name keeps it. The name is
    short, because the final one may have the maximum length, and the path is absolute: FFmpeg reads
    `Episode:1/video.mp4` as a URL.

    Raises:
        OutputError: the name or the folder cannot be used.
    """
    if os.path.isdir(path):
        raise OutputError(f"{shown(path)} is a folder.", "Name a file.")
    name = f".avatar-app.{os.getpid()}.{secrets.token_hex(3)}.part{path.suffix.lower()}"
    temporary = Path(os.path.abspath(path.with_name(name)))
    try:
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long fails now, not after the last picture
        temporary.write_bytes(b"")
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error
    return temporary


def _output_error(path: Path, error: Exception) -> OutputError:
    code, name, folder = getattr(error, "errno", None), shown(path), shown(path.parent)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {name} was not written.", "Free some space, or choose another --out.")
    if code == errno.ENOENT:
        return OutputError(f"The folder {folder} does not exist.", "Create it, or choose another --out.")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{folder} cannot be written to.", "Choose a folder that you may write to.")
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error)
    return OutputError(f"{name} could not be written: {reason}.", "Check the disk, or choose another --out.")
