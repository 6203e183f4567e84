"""An ordinary file of a recording, which is made of pieces until it ends, or until a crash ends it."""

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
from avatar_app.live.record.boxes import whole_length
from avatar_app.live.record.folder import MARK, final_path, is_in_use, write_error
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES

log = logging.getLogger(__name__)

BYTES_PER_MB = 1_000_000
# Pictures.
PROGRESS_EVERY = 500
# A WebM without this element has no pictures (RFC 8794, 11.2.5: `Cluster`); what stands before it is shorter.
CLUSTER_ID = b"\x1f\x43\xb6\x75"
WEBM_HEADER_BYTES = 65_536


class UnplayableError(OutputError):
    """Nothing of a recording can be read."""


def is_empty(path: Path) -> bool:
    """Whether the program ended before the first picture of a recording was on the disk.

    Raises:
        OSError: the file cannot be read.
    """
    if path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        head = file.read(WEBM_HEADER_BYTES)
    if path.suffix in FRAGMENTED_SUFFIXES:
        return head[4:8] == b"ftyp" and whole_length(path) == 0 and b"mdat" not in head
    return head[:4] == b"\x1a\x45\xdf\xa3" and CLUSTER_ID not in head


def repair(path: Path, on_progress: Callable[[float], None] = lambda share: None) -> Path:
    """Copy what is whole of a recording into an ordinary file, without encoding anew: an hour in some seconds.

    The recording is removed when the new file was read back with as many pictures, and never otherwise.

    Args:
        path: the recording.
        on_progress: told the share that is done, 0..1, now and then.

    Returns:
        The new file.

    Raises:
        UnplayableError: it has nothing that can be played; it stays as it is.
        OutputError: it is being written, or there is no room; it stays as it is.
    """
    if is_in_use(path):
        raise OutputError(f"{path.name} is being recorded now.", "Stop the recording.")
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
    log.info("%s is whole: %d pictures", final, n_pictures)
    return final


def _unplayable(path: Path) -> UnplayableError:
    what_to_do = "Delete it, or keep it for a repair program of your choice."
    return UnplayableError(f"Nothing of {path.name} can be played.", what_to_do)


def _remove_old_copies(final: Path) -> None:
    """What a program that ended in the middle left."""
    for old in final.parent.glob(f".{glob.escape(final.stem)}.*.part{final.suffix}"):
        old.unlink(missing_ok=True)


def _check_room(path: Path) -> None:
    n_bytes = path.stat().st_size
    free_mb = shutil.disk_usage(path.parent).free / BYTES_PER_MB
    if free_mb < n_bytes / BYTES_PER_MB + 1:
        raise OutputError(
            f"{path.name} needs {n_bytes / BYTES_PER_MB:.0f} MB to be repaired, and {free_mb:.0f} MB are free.",
            "Free some space and repair it then; it plays in most players as it is.",
        )


def _copy(path: Path, out: Path, on_progress: Callable[[float], None]) -> int:
    """Copy the packets; how many pictures there were."""
    n_pictures, n_bytes = 0, max(1, path.stat().st_size)
    options = {"movflags": "faststart"} if out.suffix in (".mp4", ".mov") else {}
    with av.open(str(path)) as source, av.open(str(out), "w", options=options) as target:
        target.metadata.update(source.metadata)
        streams = {s.index: _like(target, s) for s in source.streams if s.type in ("video", "audio")}
        for packet in _packets(source):
            stream = streams.get(packet.stream.index)
            # A packet that reaches beyond the end of the file comes marked as corrupt.
            if stream is None or packet.dts is None or packet.is_corrupt:
                continue
            n_pictures += packet.stream.type == "video"
            if packet.stream.type == "video" and n_pictures % PROGRESS_EVERY == 0:
                on_progress(min(1.0, (packet.pos or 0) / n_bytes))
            packet.stream = stream
            target.mux(packet)
    return n_pictures


def _like(target: Any, stream: Any) -> Any:
    """A stream for the same packets."""
    if hasattr(target, "add_stream_from_template"):
        copy = target.add_stream_from_template(stream)
    else:  # PyAV 13
        copy = target.add_stream(template=stream)
    copy.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() == "alpha_mode"})
    if stream.type == "video":
        copy.time_base = Fraction(stream.time_base)
    return copy


def _packets(source: Any) -> Any:
    """Packets up to the first that cannot be read."""
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
