"""Kinds of files that a recording can be."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from avatar_app.live.record.folder import videos_folder

KEY_PICTURES_PER_S = 2
AAC_BIT_RATE = 128_000
# These are written in pieces; a WebM is what it is.
FRAGMENTED_SUFFIXES = (".mp4", ".mov")


class RecordFormat(enum.Enum):
    """What is written; the two with alpha keep the avatar's transparency."""

    MP4 = "mp4"
    PRORES = "prores"
    WEBM = "webm"

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return {"mp4": ".mp4", "prores": ".mov", "webm": ".webm"}[self.value]

    @property
    def container(self) -> str:
        """The muxer's name."""
        return {"mp4": "mp4", "prores": "mov", "webm": "webm"}[self.value]

    @property
    def has_alpha(self) -> bool:
        """Whether transparency is kept."""
        return self is not RecordFormat.MP4

    @property
    def sound_codec(self) -> str:
        """The encoder of the sound."""
        return "libopus" if self is RecordFormat.WEBM else "aac"


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What is recorded, and how.

    Attributes:
        folder: where the file is made; it must exist.
        fps: pictures a second of the file, constant.
        background_colour: `#rrggbb` behind a transparent avatar, in formats without alpha.
        width_px, height_px: size of the film; 0 takes that of the first picture. Pictures are fitted into it.
        encoder: "auto" tries the graphics chip first, "software" never.
        title: shown by players.
        keep_free_mb: the recording ends by itself before the disk has less room than this.
        other_folder: where the recording goes on when `folder` is gone; made when missing.
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
class FilmSize:
    """Size and rate of a film; the sides are even numbers."""

    width_px: int
    height_px: int
    fps: int
