"""Opens a video file of the user and reads its frames with their times; damage is an error with a sentence.

All times are in seconds from the beginning of the file, which is the time base of `live.mic.audio_file.SoundFile`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from av.stream import Disposition

from avatar_app.contracts.errors import StudioError
from avatar_app.live.media_file import MEDIA_ERRORS, open_file, open_media, packets, shown

RECORD_AGAIN = "Record the video again, or choose another file."
COPY_AGAIN = "Copy the file again from the device that recorded it, or choose another file."
# A longer time without a picture, or a larger step back, is damage and not a variable frame rate.
MAX_GAP_S = 1.0
MAX_DAMAGED_RATIO = 0.05
# Time stamps are rounded, to 1 ms in some formats.
ROUNDING_S = 0.002
DEFAULT_FPS = 25.0
US_PER_S = 1_000_000
# Formats whose headers contain the exact length.
EXACT_FORMATS = ("mp4", "matroska")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """An open container and its video stream.

    Raises:
        StudioError: the file is missing, no video, or a still picture.
    """
    with open_file(path, StudioError) as file:
        try:
            container = open_media(file)
        except MEDIA_ERRORS as error:
            raise StudioError(f"The file {shown(path)} is damaged, or is not a video.", COPY_AGAIN) from error
        with container:
            if container.format.name.endswith("_pipe") or container.format.name == "image2":
                raise still_picture(path)
            stream: Any = container.streams.best("video")
            # The cover of a sound file is a picture attached to it.
            if stream is None or stream.codec_context is None or stream.disposition & Disposition.attached_pic:
                raise StudioError(f"The file {shown(path)} has no video.", RECORD_AGAIN)
            stream.thread_type = "AUTO"
            yield container, stream


def has_sound(container: Any) -> bool:
    """Whether there is a sound stream."""
    stream = container.streams.best("audio")
    return stream is not None and stream.codec_context is not None


def decoded(path: Path, container: Any, stream: Any) -> Iterator[tuple[Any, float]]:
    """Yield intact frames with their presentation times.

    Raises:
        StudioError: too many cannot be decoded.
    """
    period_s = _period_s(stream)
    t_s, n_packets, n_damaged = -period_s, 0, 0
    with contextlib.suppress(*MEDIA_ERRORS):
        for packet in packets(container, stream):
            n_packets += 1
            frames: list[Any] = []
            try:
                frames += packet.decode()
            except MEDIA_ERRORS:
                n_damaged += 1
            for frame in frames:
                t_s = _time_s(container, frame, t_s + period_s)
                if frame.is_corrupt:
                    n_damaged += 1
                else:
                    yield frame, t_s
    if n_damaged > max(1.0, MAX_DAMAGED_RATIO * n_packets):
        raise damaged(path, f"{n_damaged} of its pictures cannot be read")


def extent(path: Path, t_first_s: float, max_s: float) -> tuple[float, int]:
    """Measure a video without decoding it.

    Args:
        path: the video.
        t_first_s: time of its first picture.
        max_s: maximum duration from there.

    Returns:
        End of the last picture, and the number of pictures.

    Raises:
        StudioError: the video is longer than `max_s`, or ends earlier than its header says.
    """
    t_end_s, t_any_s, n_pictures = t_first_s, 0.0, 0
    with opened(path) as (container, stream):
        for is_picture, t_s in _ends(container, stream, t_first_s):
            t_any_s = max(t_any_s, t_s)
            if is_picture:
                n_pictures += 1
                t_end_s = max(t_end_s, t_s)
            if t_end_s > t_first_s + max_s + ROUNDING_S:
                raise StudioError(
                    f"The video {shown(path)} is longer than {max_s:.0f} s.", "Shorten it, or choose another file."
                )
        header_s = _header_s(container)
    if t_any_s < header_s - MAX_GAP_S:
        raise damaged(path, f"it ends after {t_any_s:.1f} s of {header_s:.1f} s")
    return t_end_s, n_pictures


def damaged(path: Path, why: str) -> StudioError:
    """The error for a damaged file; `why` is the end of the sentence."""
    return StudioError(f"The video {shown(path)} is damaged: {why}.", COPY_AGAIN)


def still_picture(path: Path) -> StudioError:
    """The error for a still picture."""
    return StudioError(f"The file {shown(path)} is a still picture, not a video.", RECORD_AGAIN)


def _ends(container: Any, stream: Any, t_first_s: float) -> Iterator[tuple[bool, float]]:
    """Yield for each packet whether it is a picture, and when it ends."""
    streams = (stream, container.streams.best("audio")) if has_sound(container) else (stream,)
    follows_s = t_first_s
    with contextlib.suppress(*MEDIA_ERRORS):
        for packet in packets(container, *streams):
            # An empty packet marks the end; the decoder drops discarded ones, as of a trimmed video.
            if not packet.size or packet.is_discard:
                continue
            is_picture = packet.stream_index == stream.index
            default_s = _period_s(stream) if is_picture else 0.0
            length_s = float((packet.duration or 0) * packet.time_base) or default_s
            t_end_s = _time_s(container, packet, follows_s) + length_s
            if is_picture:
                follows_s = t_end_s
            yield is_picture, t_end_s


def _period_s(stream: Any) -> float:
    return 1 / float(stream.average_rate or DEFAULT_FPS)


def _time_s(container: Any, item: Any, default_s: float) -> float:
    """Presentation time of a packet or frame; AVI files have decoding times only."""
    stamp = item.pts if item.pts is not None else item.dts
    return default_s if stamp is None else float(stamp * item.time_base) - (container.start_time or 0) / US_PER_S


def _header_s(container: Any) -> float:
    """The length in the header; 0 where it is missing or an estimate."""
    is_exact = any(name in container.format.name for name in EXACT_FORMATS)
    return (container.duration or 0) / US_PER_S if is_exact else 0.0
