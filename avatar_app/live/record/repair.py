"""Remuxes a fragmented recording, finished or left by a crash, into an ordinary file."""

from __future__ import annotations

import glob
import logging
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record.boxes import complete_length
from avatar_app.live.record.folder import MARK, final_path, is_in_use, write_error
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES

log = logging.getLogger(__name__)

BYTES_PER_MB = 1_000_000
# Pictures between two reports of progress.
PROGRESS_EVERY = 500
# A WebM without this element, `Cluster`, has no pictures (RFC 9559, 5.1.3); its headers are shorter than this.
CLUSTER_ID = b"\x1f\x43\xb6\x75"
WEBM_HEADER_BYTES = 65_536


class UnplayableError(OutputError):
    """A recording has no readable picture."""


def is_empty(path: Path) -> bool:
    """Whether the program ended before the first picture of a recording was written.

    Raises:
        OSError: the file cannot be read.
    """
    if path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        head = file.read(WEBM_HEADER_BYTES)
    if path.suffix in FRAGMENTED_SUFFIXES:
        return head[4:8] == b"ftyp" and complete_length(path) == 0 and b"mdat" not in head
    return head[:4] == b"\x1a\x45\xdf\xa3" and CLUSTER_ID not in head


def repair(path: Path, on_progress: Callable[[float], None] = lambda share: None) -> Path:
    """Remux the complete fragments of a recording into an ordinary file: an hour takes seconds.

    The recording is deleted only after the new file was read back with the same number of pictures. Its temporary name
    keeps the suffix, by which FFmpeg finds the format, so `contracts.atomic_file` does not fit.

    Args:
        path: the recording.
        on_progress: called with the progress, 0..1.

    Returns:
        The new file.

    Raises:
        UnplayableError: nothing can be played; the recording is unchanged.
        OutputError: it is being written, or there is no room; the recording is unchanged.
    """
    if is_in_use(path):
        raise OutputError(f"{path.name} is being recorded now.", "Stop the recording first.")
    final = final_path(path)
    temporary = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        _remove_old_copies(final)
        _check_room(path)
        n_pictures = _copy(path, temporary, on_progress)
        if n_pictures == 0 or n_pictures != _count(temporary):
            raise _unplayable(path)
        os.replace(temporary, final)
        if MARK in path.name:
            path.unlink()
    except av.FFmpegError as error:
        log.info("%s cannot be read: %s", path.name, error)
        raise _unplayable(path) from error
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    log.info("saved %s: %d pictures", final, n_pictures)
    return final


def _unplayable(path: Path) -> UnplayableError:
    what_to_do = "Delete it, or try a repair program."
    return UnplayableError(f"The recording {path.name} cannot be played.", what_to_do)


def _remove_old_copies(final: Path) -> None:
    """Delete temporary files of an interrupted repair."""
    for old in final.parent.glob(f".{glob.escape(final.stem)}.*.part{final.suffix}"):
        old.unlink(missing_ok=True)


def _check_room(path: Path) -> None:
    n_bytes = path.stat().st_size
    free_mb = shutil.disk_usage(path.parent).free / BYTES_PER_MB
    if free_mb < n_bytes / BYTES_PER_MB + 1:
        raise OutputError(
            f"{path.name} needs {n_bytes / BYTES_PER_MB:.0f} MB to be repaired, and {free_mb:.0f} MB are free.",
            "Free some space, then start the program again. Most players can play the file as it is.",
        )


def _copy(path: Path, out: Path, on_progress: Callable[[float], None]) -> int:
    """Copy the packets.

    Returns:
        The number of pictures.
    """
    n_pictures, n_bytes = 0, max(1, path.stat().st_size)
    options = {"movflags": "faststart"} if out.suffix in (".mp4", ".mov") else {}
    with av.open(str(path)) as source, av.open(str(out), "w", options=options) as target:
        target.metadata.update(source.metadata)
        streams = {s.index: _like(target, s) for s in source.streams if s.type in ("video", "audio")}
        for packet in _packets(source):
            stream = streams.get(packet.stream.index)
            # A packet that extends beyond the end of the file is marked as corrupt.
            if stream is None or packet.dts is None or packet.is_corrupt:
                continue
            n_pictures += packet.stream.type == "video"
            if packet.stream.type == "video" and n_pictures % PROGRESS_EVERY == 0:
                on_progress(min(1.0, (packet.pos or 0) / n_bytes))
            packet.stream = stream
            target.mux(packet)
    return n_pictures


def _like(target: Any, stream: Any) -> Any:
    """Add a stream for the same packets."""
    if hasattr(target, "add_stream_from_template"):
        copy = target.add_stream_from_template(stream)
    else:  # PyAV 13
        copy = target.add_stream(template=stream)
    copy.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() == "alpha_mode"})
    if stream.type == "video":
        copy.time_base = Fraction(stream.time_base)
    return copy


def _packets(source: Any) -> Any:
    """Yield packets up to the first unreadable one."""
    packets = source.demux()
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if packet.size:
            yield packet


def _count(path: Path) -> int:
    with av.open(str(path)) as written:
        return sum(packet.size > 0 for packet in written.demux(video=0))
