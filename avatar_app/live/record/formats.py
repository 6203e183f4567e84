"""Formats and options of a recording."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from avatar_app.live.record.folder import videos_folder

KEYFRAMES_PER_S = 2
AAC_BIT_RATE = 128_000
# Recordings of these formats are fragmented files; WebM has clusters by itself.
FRAGMENTED_SUFFIXES = (".mp4", ".mov")


class RecordFormat(enum.Enum):
    """H.264 in MP4, ProRes 4444 in MOV, VP9 in WebM; the last two keep transparency."""

    MP4 = "mp4"
    PRORES = "prores"
    WEBM = "webm"

    @property
    def suffix(self) -> str:
        """Suffix of the file's name."""
        return {"mp4": ".mp4", "prores": ".mov", "webm": ".webm"}[self.value]

    @property
    def container(self) -> str:
        """FFmpeg's name of the container format."""
        return {"mp4": "mp4", "prores": "mov", "webm": "webm"}[self.value]

    @property
    def has_alpha(self) -> bool:
        """Whether transparency is kept."""
        return self is not RecordFormat.MP4

    @property
    def sound_codec(self) -> str:
        """FFmpeg's name of the sound encoder."""
        return "libopus" if self is RecordFormat.WEBM else "aac"


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What is recorded, and how.

    Attributes:
        folder: where the file is written; it must exist.
        fps: constant frame rate of the file.
        background_colour: `#rrggbb` behind a transparent avatar, in formats without alpha.
        width_px, height_px: size of the video; 0 takes that of the first picture. Pictures are fitted into it.
        encoder: "auto" tries hardware encoders first, "software" never.
        title: shown by players.
        keep_free_mb: the recording ends before less than this is free on the disk.
        other_folder: where the recording continues when `folder` was deleted; made when missing.
    """

    folder: Path
    fps: int
    format: RecordFormat = RecordFormat.MP4
    background_colour: str = "#202428"
    width_px: int = 0
    height_px: int = 0
    encoder: str = "auto"
    title: str = ""
    keep_free_mb: int = 200
    other_folder: Path = field(default_factory=videos_folder)


@dataclass(frozen=True, slots=True)
class VideoSize:
    """Size and frame rate of a video; the sides are even numbers."""

    width_px: int
    height_px: int
    fps: int
