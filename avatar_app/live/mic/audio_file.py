"""Reads the sound of any media file piecewise, as mono at one rate."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import soxr

from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.live.media_file import MEDIA_ERRORS, open_file, open_media, shown
from avatar_app.live.mic.decode import Decoder
from avatar_app.live.mic.ogg import Part, parts
from avatar_app.live.mic.timeline import Timeline
from avatar_app.settings.paths import user_path

log = logging.getLogger(__name__)

CHOOSE_ANOTHER = "Choose another sound or video file, in any format that FFmpeg reads."


class SoundFile:
    """The sound of a file on the file's own timeline: a late start and gaps become silence, overlaps are cut.

    A file with video is as long as its video. Thread: one at a time.

    Args:
        path: sound or video, any format, rate and number of channels; `~` is the user's home folder.
        rate_hz: output rate.

    Attributes:
        missing_s: seconds that could not be read so far, replaced by silence.
        duration_s: the length in the file's header, which may be wrong; 0 if the header has none.

    Raises:
        AudioInputError: the file is missing or cannot be read.
    """

    def __init__(self, path: str | Path, rate_hz: int = LIVE_RATE_HZ) -> None:
        self._path = user_path(path)
        self._rate_hz = rate_hz
        self._file = open_file(self._path, AudioInputError)
        self.missing_s = 0.0
        try:
            self._parts = parts(self._file)
            with open_media(self._part(0)) as container:
                part_s = Decoder(container).duration_s or 0.0
        except MEDIA_ERRORS as error:
            self._file.close()
            raise self._unreadable(error) from error
        self.duration_s = part_s * self._parts[-1][1] / max(1, self._parts[0][1])

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return shown(self._path.name)

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._path

    def pieces(self) -> Iterator[Float32]:
        """Read the whole sound from its beginning, in pieces (n,) float32, nominally in -1..1.

        Raises:
            AudioInputError: the file cannot be read, or holds no sound.
        """
        timeline = Timeline(self._rate_hz)
        self.missing_s = 0.0
        try:
            for number in range(len(self._parts)):
                with open_media(self._part(number)) as container:
                    yield from self._placed(Decoder(container), timeline)
        except MEDIA_ERRORS as error:
            raise self._unreadable(error) from error
        if not timeline.position_s:
            raise AudioInputError(f"The file {shown(self._path)} holds no sound that can be read.", CHOOSE_ANOTHER)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _placed(self, decoder: Decoder, timeline: Timeline) -> Iterator[Float32]:
        """The sound of one container, as long as its video."""
        timeline.begin(decoder.duration_s, is_discontinuous=decoder.is_discontinuous)
        missing_s = self.missing_s - timeline.gap_s
        for piece in decoder.pieces():
            yield from timeline.place(piece)
            self.missing_s = missing_s + timeline.gap_s + decoder.lost_s
        if decoder.is_truncated:
            self.missing_s += max(0.0, (decoder.duration_s or 0.0) - timeline.played_s)
        if timeline.played_s:
            yield from timeline.end(decoder.video_end_s)

    def _part(self, number: int) -> Any:
        """The file from its beginning, or one part of a chained file."""
        self._file.seek(0)
        return self._file if len(self._parts) == 1 else Part(self._file, *self._parts[number])

    def _unreadable(self, error: Exception) -> AudioInputError:
        reason = getattr(error, "strerror", None) or str(error)
        return AudioInputError(
            f"The sound of {shown(self._path)} cannot be read: {reason.rstrip('.')}.", CHOOSE_ANOTHER
        )


def resampled(pieces: Iterable[Float32], from_hz: int, to_hz: int) -> Iterator[Float32]:
    """Convert pieces (n,) float32 to another rate; sample k is the instant k / rate."""
    stream = soxr.ResampleStream(from_hz, to_hz, 1, quality="HQ")
    for piece in pieces:
        yield np.asarray(stream.resample_chunk(piece), np.float32)
    yield np.asarray(stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)


def missing_text(missing_s: float) -> str:
    """A duration for messages, rounded up."""
    return f"{math.ceil(10 * missing_s) / 10:.1f} s"


def read_audio(path: str | Path) -> Float32:
    """Read a whole file, mixed down and resampled.

    Args:
        path: see `SoundFile`.

    Returns:
        (n,) float32 at 16 kHz, nominally in -1..1.

    Raises:
        AudioInputError: the file is missing, cannot be read, or holds no sound.
    """
    with SoundFile(path) as sound:
        samples = np.concatenate(list(sound.pieces()))
        if sound.missing_s:
            log.warning("%s of the sound of %s cannot be read", missing_text(sound.missing_s), sound.name)
    return samples
