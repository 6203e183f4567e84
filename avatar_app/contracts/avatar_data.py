"""The material of an avatar, from any source: rendered pictures, a video of a person, photographs.

A reader of `studio/enrol` returns an `AvatarData`; `avatar-app studio avatar` makes the avatar folder from it. Training
reads rendered clips from their own folder, see `studio/data/clips.py`, not `AvatarData.clips`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np

from avatar_app.contracts.fields import check_fields
from avatar_app.contracts.packets import Float32, UInt8


class Split(str, Enum):
    """Use of a clip: settings are chosen on validation clips, and nothing may depend on test clips."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's permission to make and use an avatar of their face.

    Attributes:
        person: name of the person.
        statement: what the person permits.
        date: day of the statement, ISO 8601.

    Raises:
        ValueError: a field is empty, not a text or too long, or the date is not an ISO date.
    """

    person: str
    statement: str
    date: str

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value in self.to_json().items():
            if not value.strip():
                raise ValueError(f"the consent has no {name}")
        datetime.date.fromisoformat(self.date)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Consent:
        """Read a consent from JSON.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or not valid.
        """
        return cls(data["person"], data["statement"], data["date"])

    def to_json(self) -> dict[str, str]:
        """The consent as JSON."""
        return {"person": self.person, "statement": self.statement, "date": self.date}


class AvatarClip(Protocol):
    """Speech with pictures of the face, for training and tests."""

    @property
    def name(self) -> str:
        """Name of the clip, unique in its data."""

    @property
    def split(self) -> Split:
        """Use of the clip."""

    def frames(self) -> Iterator[UInt8]:
        """Face crops, (crop_px, crop_px, 3) uint8 BGR; picture k shows the instant (k + 0.5) / fps."""

    def mouth(self) -> Float32 | None:
        """(n, 14) float32 in 0..1, the mouth parameters `MOUTH_NAMES` of each picture; None if unknown."""

    def samples(self) -> Float32:
        """(m,) float32 in -1..1 at 16 kHz, in sync with the pictures."""


@dataclass(frozen=True)
class AvatarData:
    """The material of one avatar.

    The face crop is the square that students read and generate. It is upright and has the same place on every face:
    the middle of the eyes at (0.50, 0.43) of its side, the lips at (0.50, 0.78).

    Attributes:
        title: display name.
        licence: licence of the pictures, as SPDX identifier or text.
        credit: authors and sources.
        consent: permission of the person; None only if the pictures show no real person.
        fps: pictures a second, of the idle loop and of the clips.
        size_px: side of the portraits.
        idle: portraits of a seamless idle loop with closed mouth, (size_px, size_px, 4) uint8 BGRA with straight
            alpha. It can be iterated repeatedly and may decode one picture at a time.
        crop_to_portrait: (n, 2, 3) float32; portrait k of the loop shows crop point p at A[k] @ (p, 1).
        reference: (crop_px, crop_px, 3) uint8 BGR, the face crop with the mouth at rest.
        mask: (crop_px, crop_px) uint8, 255 where a generated mouth replaces the portrait, feathered to 0.
        clips: speech with face crops; may be empty.
        quality: measures of the reader for the log, in pixels unless the name has another unit.

    Raises:
        ValueError: shapes do not fit each other.
    """

    title: str
    licence: str
    credit: str
    consent: Consent | None
    fps: int
    size_px: int
    idle: Iterable[UInt8]
    crop_to_portrait: Float32
    reference: UInt8
    mask: UInt8
    clips: Sequence[AvatarClip] = ()
    quality: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        side = (self.crop_px, self.crop_px)
        if self.reference.shape != (*side, 3) or self.mask.shape != side:
            raise ValueError(f"a reference of {self.reference.shape} and a mask of {self.mask.shape} do not fit")
        if self.crop_to_portrait.ndim != 3 or self.crop_to_portrait.shape[1:] != (2, 3):
            raise ValueError(f"crop_to_portrait is {self.crop_to_portrait.shape}, not (n, 2, 3)")
        if not np.isfinite(self.crop_to_portrait).all():
            raise ValueError("crop_to_portrait is not finite")

    @property
    def crop_px(self) -> int:
        """Side of the face crop."""
        return int(self.mask.shape[0])
