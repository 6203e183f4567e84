"""The description of an avatar made of pictures: `assets/avatars/<id>/avatar.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.fields import Within, check_fields, check_id, check_inner_path, problem
from avatar_app.contracts.packets import Float32

AVATAR_SCHEMA = 1
# Limits of the maps from the crop to the portrait: shift, and scale.
MAX_SHIFT_PX = 4096.0
SCALE_RANGE = (0.05, 20.0)
PLAIN = ("id", "title", "licence", "credit", "size_px", "idle_fps", "crop_px", "mask_file", "reference_file")


@dataclass(frozen=True, slots=True)
class AvatarSpec:
    """The contract of an avatar of the kinds `picture` and `posed`.

    Attributes:
        size_px: side of the square portrait.
        idle_fps: rate of the seamless idle loop.
        idle_files: colours of the idle loop's pictures, in order; JPEG, because it decodes in half a millisecond.
        alpha_files: their alpha as 8-bit grey PNG, one each; straight, not multiplied into the colours.
        crop_px: side of the face crop that `crop_to_portrait` maps from.
        crop_to_portrait: (n_idle, 2, 3) float32; crop point p lies at A[k] @ (p, 1) in idle picture k.
        mask_file: feathered mouth mask, (crop_px, crop_px) 8-bit grey, in crop coordinates.
        reference_file: the face crop at rest, (crop_px, crop_px, 3): the identity that a student reads.
        models: ids of the students that generate its mouth, best first.
        consent: permission of the person shown; None if it shows no real person, or in folders of older versions.

    Raises:
        ValueError: a field is out of its range, or the crops do not fit the pictures.
    """

    id: str
    title: str
    licence: str
    credit: str
    size_px: Annotated[int, Within(32, 2048)]
    idle_fps: Annotated[int, Within(1, 120)]
    idle_files: tuple[str, ...]
    alpha_files: tuple[str, ...]
    crop_px: Annotated[int, Within(16, 2048)]
    crop_to_portrait: Float32
    mask_file: str
    reference_file: str
    models: tuple[str, ...]
    consent: Consent | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_id("id", self.id)
        for name in (*self.idle_files, *self.alpha_files, self.mask_file, self.reference_file):
            check_inner_path("a picture", name)
        n_idle, crops = len(self.idle_files), self.crop_to_portrait
        if not n_idle or len(self.alpha_files) != n_idle or crops.shape != (n_idle, 2, 3):
            raise ValueError(f"{n_idle} idle pictures with {len(self.alpha_files)} alphas and crops {crops.shape}")
        if not (np.abs(crops) <= MAX_SHIFT_PX).all() or not _are_within(SCALE_RANGE, crops[:, :, :2]):
            raise ValueError("crop_to_portrait leaves the picture")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> AvatarSpec:
        """Read an avatar description.

        Raises:
            AvatarError: a field is missing or out of its range, or the crops do not fit; the message names it.
        """
        try:
            if data["schema"] != AVATAR_SCHEMA:
                raise ValueError(f"schema {data['schema']!r}, this program reads {AVATAR_SCHEMA}")
            fields: dict[str, Any] = {name: data[name] for name in PLAIN}
            fields |= {name: tuple(data[name]) for name in ("idle_files", "alpha_files", "models")}
            consent = Consent.from_json(data["consent"]) if data.get("consent") is not None else None
            return cls(**fields, crop_to_portrait=_crops(data["crop_to_portrait"]), consent=consent)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise AvatarError(
                f"The avatar description {where} cannot be used: {problem(error)}.",
                "Install the avatar again, or build it again with `avatar-app studio avatar`.",
            ) from error


def _are_within(scales: tuple[float, float], maps: Float32) -> bool:
    areas = np.linalg.det(maps.astype(np.float64))
    return bool(((scales[0] ** 2 <= areas) & (areas <= scales[1] ** 2)).all())


def _crops(values: Any) -> Float32:
    """(n, 2, 3) float32, clipped so that numbers beyond float32 fail the range check."""
    return np.clip(np.asarray(values, dtype=np.float64), -2 * MAX_SHIFT_PX, 2 * MAX_SHIFT_PX).astype(np.float32)
