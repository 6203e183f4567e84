"""What an enrolment works with: recordings, name, consent and quality."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.fields import check_fields
from avatar_app.contracts.input_file import reason
from avatar_app.live.media_file import shown
from avatar_app.settings.paths import user_path

INPUT_SCHEMA = 1
QUALITIES = ("quick", "good", "best")
# Of the sentences that the recording wizard shows.
LANGUAGES = ("en", "de", "fr", "es", "pt", "it")
PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recording:
    """A video file.

    Attributes:
        path: absolute.
        sha256: of its content: a file that was moved is the same recording, another one under its name is not.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def of(cls, path: Path) -> Recording:
        """A file on disk.

        Raises:
            StudioError: it cannot be read.
        """
        path = user_path(path)
        digest = hashlib.sha256()
        try:
            with path.open("rb") as opened:
                while piece := opened.read(PIECE_BYTES):
                    digest.update(piece)
        except (OSError, ValueError) as error:
            raise StudioError(
                f"The video {shown(path)} cannot be read ({reason(error)}).", "Choose another file."
            ) from error
        return cls(str(path.absolute()), digest.hexdigest())


@dataclass(frozen=True, slots=True)
class EnrolInput:
    """What an enrolment works with.

    Attributes:
        name: display name of the avatar.
        videos: recordings to learn from.
        held_out: recordings for the report only.
        text: the spoken words; empty if unknown.
        language: of the text, two letters (ISO 639-1).
        consent: of the person.
        quality: one of `QUALITIES`.
        keep_background: whether the room stays in the picture.

    Raises:
        ValueError: a field is not valid.
    """

    name: str
    videos: tuple[Recording, ...]
    held_out: tuple[Recording, ...]
    text: str
    language: str
    consent: Consent
    quality: str
    keep_background: bool

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise ValueError(f"quality {self.quality!r} is none of {', '.join(QUALITIES)}")
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError("there is no name")
        if self.language not in LANGUAGES:
            raise ValueError(f"language {self.language!r} is none of {', '.join(LANGUAGES)}")
        if not self.videos:
            raise ValueError("there is no video")

    def differences(self, other: EnrolInput) -> tuple[str, ...]:
        """What another input differs in, as words.

        The day of the consent, the place of a file and the quality do not count: a better quality continues.
        """
        parts = {
            "name": (self.name, other.name),
            "video": (_contents(self.videos), _contents(other.videos)),
            "held-out video": (_contents(self.held_out), _contents(other.held_out)),
            "text": (self.text, other.text),
            "language": (self.language, other.language),
            "person": (self.consent.person, other.consent.person),
            "background": (self.keep_background, other.keep_background),
        }
        return tuple(name for name, (before, now) in parts.items() if before != now)

    def with_quality(self, quality: str) -> EnrolInput:
        """The same input with another quality."""
        return replace(self, quality=quality)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EnrolInput:
        """Read an input.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or not valid.
        """
        if data["schema"] != INPUT_SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this program reads {INPUT_SCHEMA}")
        videos, held_out = (tuple(Recording(**entry) for entry in data[name]) for name in ("videos", "held_out"))
        if not isinstance(data["text"], str):
            raise TypeError("text")
        return cls(
            name=data["name"],
            videos=videos,
            held_out=held_out,
            text=data["text"],
            language=data["language"],
            consent=Consent.from_json(data["consent"]),
            quality=data["quality"],
            keep_background=bool(data["keep_background"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The input as JSON."""
        return {
            "schema": INPUT_SCHEMA,
            "name": self.name,
            "videos": _entries(self.videos),
            "held_out": _entries(self.held_out),
            "text": self.text,
            "language": self.language,
            "consent": self.consent.to_json(),
            "quality": self.quality,
            "keep_background": self.keep_background,
        }


def _contents(recordings: Sequence[Recording]) -> tuple[str, ...]:
    return tuple(recording.sha256 for recording in recordings)


def _entries(recordings: Sequence[Recording]) -> list[dict[str, str]]:
    return [{"path": recording.path, "sha256": recording.sha256} for recording in recordings]
