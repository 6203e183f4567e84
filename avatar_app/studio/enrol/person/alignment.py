"""The neutral face of a person, and the position of the head in each picture relative to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.live.webcam.face import LEFT, RIGHT
from avatar_app.live.webcam.rigid import RIGID_IDS
from avatar_app.studio.data.clips import CROP_PX
from avatar_app.studio.enrol.person.material import FaceTrack

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Where `AvatarData` puts the middle of the eyes and of the closed lips, in units of the crop's side.
EYES_AT, LIPS_AT = (0.50, 0.43), (0.50, 0.78)
EYE_IDS = np.array([LEFT.outer, LEFT.inner, RIGHT.inner, RIGHT.outer])
# Inner edges of the upper and lower lip, in pairs.
UPPER_IDS, LOWER_IDS = np.array([82, 13, 312]), np.array([87, 14, 317])
LIP_IDS = np.concatenate((UPPER_IDS, LOWER_IDS))
# Of the pictures, those with the smallest gap between the lips count as neutral.
NEUTRAL_SHARE = 0.15
N_ROUNDS = 3
N_MIN_PICTURES = 5


@dataclass(frozen=True)
class Neutral:
    """The face of a person at rest.

    Attributes:
        landmarks_px: (478, 3) float32, in pixels of the 256 px face crop: upright, middle of the eyes and of the closed
            lips at their places. z is on the same scale, smaller towards the camera.
    """

    landmarks_px: Float32

    @property
    def eyes_px(self) -> Float64:
        """Middle of the eyes, (3,)."""
        return np.asarray(self.landmarks_px[EYE_IDS].mean(axis=0), np.float64)

    @property
    def lips_px(self) -> Float64:
        """Middle of the lips, (3,)."""
        return np.asarray(self.landmarks_px[LIP_IDS].mean(axis=0), np.float64)


@dataclass(frozen=True)
class Placement:
    """Similarity in three dimensions of each picture with the neutral face; NaN without a face.

    A point p of the neutral face lies at `(p - origin) @ rotation[k] / scale[k] + centre[k]` in picture k.

    Attributes:
        scale: (n,), pixels of the crop per pixel of the picture.
        rotation: (n, 3, 3).
        centre: (n, 3), mean of the rigid landmarks in the picture.
        origin: (3,), mean of the rigid landmarks of the neutral face.
    """

    scale: Float64
    rotation: Float64
    centre: Float64
    origin: Float64

    def in_picture(self, point_px: Float64) -> Float64:
        """(3,) a point of the neutral face, to (n, 3) in each picture."""
        turned = np.einsum("i,nij->nj", point_px - self.origin, self.rotation)
        return np.asarray(turned / self.scale[:, None] + self.centre, np.float64)

    def in_crop(self, landmarks_px: NDArray[np.floating]) -> Float64:
        """(n, k, 3) points of the pictures, to where they lie on the neutral face: without motion of the head."""
        moved = np.einsum("nki,nji->nkj", landmarks_px - self.centre[:, None], self.rotation)
        return np.asarray(moved * self.scale[:, None, None] + self.origin, np.float64)


def place(landmarks_px: NDArray[np.floating], neutral_px: NDArray[np.floating]) -> Placement:
    """Fit the head of each picture to the neutral face by least squares over the rigid landmarks.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991), without weights.

    Args:
        landmarks_px: (n, 478, 3), NaN without a face.
        neutral_px: (478, 3).
    """
    here, there = np.asarray(landmarks_px[:, RIGID_IDS], np.float64), np.asarray(neutral_px[RIGID_IDS], np.float64)
    centre, origin = here.mean(axis=1), there.mean(axis=0)
    here, there = here - centre[:, None], there - origin
    is_seen = has_face(here)
    # The decomposition refuses NaN.
    products = np.where(is_seen[:, None, None], np.einsum("ki,nkj->nij", there, here), np.eye(3))
    u, sizes, vt = np.linalg.svd(products)
    signs = np.ones((len(here), 3))
    signs[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = np.einsum("nij,nj,njk->nik", u, signs, vt)
    scale = (sizes * signs).sum(axis=1) / np.square(here).sum(axis=(1, 2))
    rotation[~is_seen] = np.nan
    return Placement(scale, rotation, centre, origin)


def neutral_of(tracks: Sequence[FaceTrack]) -> Neutral:
    """The neutral face of a person from all of their takes.

    Raises:
        StudioError: too few pictures show a face.
    """
    return Neutral(neutral_landmarks(np.concatenate([track.landmarks_px for track in tracks])).astype(np.float32))


def neutral_landmarks(landmarks_px: NDArray[np.floating]) -> Float64:
    """The median of the pictures with closed lips, seen from where the camera was most of the time.

    Args:
        landmarks_px: (n, 478, 3), NaN without a face.

    Returns:
        (478, 3) as `Neutral` describes.

    Raises:
        StudioError: too few pictures show a face.
    """
    seen = np.asarray(landmarks_px[has_face(landmarks_px)], np.float64)
    if len(seen) < N_MIN_PICTURES:
        raise StudioError(
            "The video shows almost no face.", "Record with your face in front of the camera, or choose another video."
        )
    face = _as_crop(seen[np.argsort(eyes_distance_px(seen))[len(seen) // 2]])
    for _ in range(N_ROUNDS):
        still = place(seen, face).in_crop(seen)
        gap = lip_gap_ratio(still)
        face = _as_crop(np.median(still[gap <= np.quantile(gap, NEUTRAL_SHARE)], axis=0))
    return face


def has_face(landmarks_px: NDArray[np.floating]) -> Bool:
    """(n, 478, 3) to (n,): whether the tracker found a face in each picture."""
    return np.asarray(np.isfinite(landmarks_px).all(axis=(1, 2)), np.bool_)


def lip_gap_ratio(landmarks_px: NDArray[np.floating]) -> Float32:
    """How far the lips are open, read from the landmarks alone.

    Args:
        landmarks_px: (n, 478, 2 or 3), of pictures or of crops; NaN without a face.

    Returns:
        (n,) float32, gap between the inner lips over the distance of the outer corners of the eyes, 0 when closed; NaN
        without a face.
    """
    flat = landmarks_px[..., :2].astype(np.float64)
    gap = np.linalg.norm(flat[:, LOWER_IDS] - flat[:, UPPER_IDS], axis=2).mean(axis=1)
    return np.asarray(gap / eyes_distance_px(flat), np.float32)


def eyes_distance_px(landmarks_px: NDArray[np.floating]) -> Float64:
    """(n,) distance between the outer corners of the eyes."""
    return np.asarray(np.linalg.norm((landmarks_px[:, LEFT.outer] - landmarks_px[:, RIGHT.outer])[:, :2], axis=1))


def _as_crop(face: Float64) -> Float64:
    """Turn, scale and shift a face (478, 3) in the plane of the picture to its place in the crop."""
    along = face[EYE_IDS[2:], :2].mean(axis=0) - face[EYE_IDS[:2], :2].mean(axis=0)
    cosine, sine = along / np.linalg.norm(along)
    turned = face @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]).T
    eyes, lips = turned[EYE_IDS].mean(axis=0), turned[LIP_IDS].mean(axis=0)
    scale = CROP_PX * (LIPS_AT[1] - EYES_AT[1]) / (lips - eyes)[1]
    middle, target = (eyes + lips) / 2, CROP_PX * (np.array(EYES_AT) + np.array(LIPS_AT)) / 2
    return np.asarray((turned - middle) * scale + np.array([*target, 0.0]))
