"""The usable pictures of a person's clips for the mouth renderer, with what differs between them besides the mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import PatchBox
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.data.person_clips import FaceClip

# A turn of the head by this angle is one unit of a nuisance; so is this difference of the light, in grey levels.
POSE_UNIT_DEG = 5.0
LIGHT_UNIT = 12.0
# Further units say nothing that the training pictures show.
MAX_UNITS = 3.0
# Left and right cheek, as rows and columns of the 256 px crop: skin that speech moves little.
CHEEKS = ((slice(132, 156), slice(60, 88)), (slice(132, 156), slice(168, 196)))
N_NUISANCES = 3 + 3 * len(CHEEKS)
RIDGE = 0.1
MIN_PICTURES = 25
# More of them tell little, and each takes 65 kB of memory.
MAX_PICTURES = 6000


@dataclass(frozen=True)
class Normal:
    """The conditions in which all nuisances are 0.

    Attributes:
        pose_deg: (3,) float32, yaw, pitch and roll.
        light: (6,) float32, mean BGR of the left and of the right cheek.
    """

    pose_deg: Float32
    light: Float32

    def nuisances(self, pose_deg: Float32, light: Float32) -> Float32:
        """(n, 9) float32 within +-`MAX_UNITS`: pose and light of pictures relative to these conditions."""
        pose = (pose_deg - self.pose_deg) / POSE_UNIT_DEG
        tint = (light - self.light) / LIGHT_UNIT
        return np.clip(np.concatenate((pose, tint), axis=1), -MAX_UNITS, MAX_UNITS).astype(np.float32)


@dataclass(frozen=True)
class PersonPictures:
    """Patches with the inputs that explain them.

    Attributes:
        patches: (n, h, w, 3) uint8 BGR, the renderer's box of each crop.
        params: (n, 14) float32 in 0..1, mouth parameters.
        nuisances: (n, 9) float32, see `Normal` and `unexplained`.
        is_train: (n,) bool; the others are of validation clips.
        normal: the median conditions of the training pictures.
    """

    patches: UInt8
    params: Float32
    nuisances: Float32
    is_train: NDArray[np.bool_]
    normal: Normal


def light_of(crop: UInt8) -> Float32:
    """(6,) float32: mean BGR of the left and of the right cheek of a (256, 256, 3) crop, in grey levels."""
    return np.concatenate([crop[rows, columns].mean(axis=(0, 1)) for rows, columns in CHEEKS]).astype(np.float32)


def person_pictures(clips: Sequence[FaceClip], box: PatchBox) -> PersonPictures:
    """Collect the usable pictures of training and validation clips.

    Test clips are not read. Of more than `MAX_PICTURES`, pictures at equal steps are taken.

    Args:
        clips: of the person.
        box: of the renderer, in pixels of the 256 px crop.

    Raises:
        StudioError: too few training pictures are usable.
    """
    usable = [(c, np.flatnonzero(c.is_usable)) for c in clips if c.split is not Split.TEST]
    step = -(-sum(len(k) for _, k in usable) // MAX_PICTURES)
    chosen = [(c, k[:: max(1, step)]) for c, k in usable]
    is_train = np.concatenate([np.full(len(k), c.split is Split.TRAIN) for c, k in chosen] or [np.zeros(0, bool)])
    if is_train.sum() < MIN_PICTURES:
        raise StudioError(
            f"Only {int(is_train.sum())} pictures of the mouth can be used; {MIN_PICTURES} are needed.",
            "Record again with more light, the face towards the camera.",
        )
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    patches = np.empty((len(is_train), box.h, box.w, 3), np.uint8)
    light = np.empty((len(is_train), 3 * len(CHEEKS)), np.float32)
    crops = (clip.pictures[k] for clip, indices in chosen for k in indices)
    for n, crop in enumerate(crops):
        patches[n], light[n] = crop[rows, columns], light_of(crop)
    pose_deg = np.concatenate([clip.pose_deg[k] for clip, k in chosen]).astype(np.float32)
    params = np.concatenate([clip.params[k] for clip, k in chosen]).astype(np.float32)
    normal = Normal(np.median(pose_deg[is_train], axis=0), np.median(light[is_train], axis=0))
    nuisances = unexplained(normal.nuisances(pose_deg, light), params, is_train)
    return PersonPictures(patches, params, nuisances, is_train, normal)


def unexplained(nuisances: Float32, params: Float32, is_train: NDArray[np.bool_]) -> Float32:
    """Nuisances without what the mouth parameters tell about them.

    The landmarks, and so the measured pose, move a little with the jaw. A network that reads the mouth from the pose
    would render it badly when the pose becomes a constant.

    Args:
        nuisances: (n, k) float32.
        params: (n, 14) mouth parameters.
        is_train: (n,), the pictures to which the prediction is fitted, by ridge regression.

    Returns:
        (n, k) float32.
    """
    mouths = np.concatenate((params, np.square(params)), axis=1).astype(np.float64)
    mouths -= mouths[is_train].mean(axis=0)
    centred = nuisances[is_train] - nuisances[is_train].mean(axis=0)
    gram = mouths[is_train].T @ mouths[is_train] + RIDGE * np.eye(mouths.shape[1])
    weight = np.linalg.solve(gram, mouths[is_train].T @ centred)
    return (nuisances - mouths @ weight).astype(np.float32)
