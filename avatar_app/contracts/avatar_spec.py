"""What an avatar folder says of itself: `assets/avatars/<id>/avatar.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.packets import Float32

AVATAR_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class AvatarSpec:
    """An avatar's contract.

    Attributes:
        size_px: side of the square portrait.
        idle_fps: rate of the idle loop, which is seamless.
        idle_files: colours of the idle loop's pictures, in order; JPEG, which a machine decodes in half a millisecond.
        alpha_files: their alpha as 8-bit grey PNG, one each; straight, not multiplied into the colours.
        crop_px: side of the face crop that `crop_to_portrait` maps from.
        crop_to_portrait: (n_idle, 2, 3) float32; idle picture k shows crop point p at A[k] @ (p, 1).
        mask_file: feathered mouth mask, (crop_px, crop_px) 8-bit grey, in crop coordinates.
        reference_file: the face crop at rest, (crop_px, crop_px, 3): the identity a student may be given.
        models: ids of the students that draw this avatar, best first.
    """

    id: str
    title: str
    licence: str
    credit: str
    size_px: int
    idle_fps: int
    idle_files: tuple[str, ...]
    alpha_files: tuple[str, ...]
    crop_px: int
    crop_to_portrait: Float32
    mask_file: str
    reference_file: str
    models: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> AvatarSpec:
        """Read an avatar description.

        Raises:
            AvatarError: a field is missing, or the crop boxes do not fit the pictures; the sentence names it.
        """
        try:
            if data["schema"] != AVATAR_SCHEMA:
                raise ValueError(f"schema {data['schema']!r}, this program reads {AVATAR_SCHEMA}")
            idle_files = tuple(str(name) for name in data["idle_files"])
            alpha_files = tuple(str(name) for name in data["alpha_files"])
            crops = np.asarray(data["crop_to_portrait"], dtype=np.float32)
            n_idle = len(idle_files)
            if not idle_files or len(alpha_files) != n_idle or crops.shape != (n_idle, 2, 3):
                raise ValueError(f"{n_idle} idle pictures with {len(alpha_files)} alphas and crops {crops.shape}")
            return cls(
                id=str(data["id"]),
                title=str(data["title"]),
                licence=str(data["licence"]),
                credit=str(data["credit"]),
                size_px=int(data["size_px"]),
                idle_fps=int(data["idle_fps"]),
                idle_files=idle_files,
                alpha_files=alpha_files,
                crop_px=int(data["crop_px"]),
                crop_to_portrait=crops,
                mask_file=str(data["mask_file"]),
                reference_file=str(data["reference_file"]),
                models=tuple(str(m) for m in data["models"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AvatarError(
                f"The avatar description {where} cannot be used: {error!r}.",
                "Install the avatar again, or build it anew with `avatar-app studio avatar`.",
            ) from error
