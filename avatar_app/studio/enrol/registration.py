"""Where the face crop at rest lies in each idle picture, whose head moves a little.

Registering the whole lower face at once follows the outline of jaw and hair, which a turning head hardly moves, and
leaves the lips nine pixels behind. So parts of the face are followed, each by itself, and the map is fitted to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the face that is followed: a box of the crop in pixels, and how much the map should heed it."""

    left: int
    top: int
    right: int
    bottom: int
    weight: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle in pixels of the crop."""
        return (self.left + self.right - 1) / 2, (self.top + self.bottom - 1) / 2


# Lips, their corners, the chin, the nose's tip, which stands out of the face and therefore counts little.
PARTS = (
    Part(88, 186, 168, 222, 3.0),
    Part(86, 186, 112, 208, 1.5),
    Part(146, 186, 172, 208, 1.5),
    Part(100, 228, 156, 252, 0.7),
    Part(104, 140, 152, 170, 0.5),
)
# No part lies further from its place at rest than this.
REACH_PX = 16
# Less likeness than this is another face.
LEAST_LIKENESS = 0.7
# A measured place that lies further from the fit than this counts little.
OUTLIER_PX = 0.3
N_REWEIGHTS = 8
MOUTH = np.array([128.0, 200.0, 1.0])


def find_parts(rest: UInt8, picture: UInt8, corner: tuple[int, int]) -> Float64:
    """Where the parts of the face lie in a picture.

    Args:
        rest: (256, 256, 3) uint8 BGR.
        picture: (512, 512, 3) uint8 BGR.
        corner: x, y of the crop in the picture, head at rest.

    Returns:
        (n_parts, 2) x, y of the parts' middles in the picture.

    Raises:
        StudioError: the picture shows another face.
    """
    crop, whole = cv2.cvtColor(rest, cv2.COLOR_BGR2GRAY), cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.array([_find(part, crop, whole, corner) for part in PARTS])


def crops_of(places: Float64, pose: Float32) -> Float32:
    """Where the crop lies in every picture: smooth over the head's pose, so that it never jitters.

    Args:
        places: (n, n_parts, 2) as measured.
        pose: (n, 3) yaw, pitch, roll, any unit.

    Returns:
        (n, 2, 3) float32; crop point p lies at A @ (p, 1).
    """
    terms = _terms(pose.astype(np.float64))
    fitted = np.stack([_smooth(places[:, part], terms) for part in range(len(PARTS))], axis=1)
    middles = np.array([(*part.middle, 1.0) for part in PARTS])
    weight = np.sqrt([part.weight for part in PARTS])[:, None]
    maps = [np.linalg.lstsq(middles * weight, one * weight, rcond=None)[0].T for one in fitted]
    return np.stack(maps).astype(np.float32)


def lips_distance_px(crops: Float32, places: Float64) -> Float64:
    """(n,): how far the crops put the lips from where they were found."""
    middle = np.array([*PARTS[0].middle, 1.0])
    distance: Float64 = np.linalg.norm(crops @ middle - places[:, 0], axis=1)
    return distance


def jitter_px(crops: Float32) -> float:
    """Largest second difference of the mouth's place along a loop of crops."""
    place = crops @ MOUTH
    loop = np.concatenate((place, place[:2]))
    return float(np.abs(np.diff(loop, n=2, axis=0)).max())


def _find(part: Part, crop: UInt8, whole: UInt8, corner: tuple[int, int]) -> tuple[float, float]:
    left, top = corner[0] - REACH_PX, corner[1] - REACH_PX
    around = whole[
        top + part.top : top + part.bottom + 2 * REACH_PX, left + part.left : left + part.right + 2 * REACH_PX
    ]
    likeness = cv2.matchTemplate(around, crop[part.top : part.bottom, part.left : part.right], cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    if best < LEAST_LIKENESS:
        raise StudioError(
            "An idle picture does not show the face of the clips.", "Use idle pictures and clips of the same head."
        )
    middle_x, middle_y = part.middle
    return left + middle_x + x + _peak(likeness[y], x), top + middle_y + y + _peak(likeness[:, x], y)


def _peak(values: NDArray[np.generic], k: int) -> float:
    """How far the top of a parabola through value k and its neighbours lies from k, -0.5..0.5."""
    if not 0 < k < len(values) - 1:
        return 0.0
    before, here, after = (float(v) for v in np.asarray(values[k - 1 : k + 2], np.float64))
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _smooth(measured: Float64, terms: Float64) -> Float64:
    """(n, 2) places as a quadratic function of the pose, heeding outliers little."""
    weight = np.ones((len(measured), 1))
    for _ in range(N_REWEIGHTS):
        fitted: Float64 = terms @ np.linalg.lstsq(terms * weight, measured * weight, rcond=None)[0]
        distance = np.linalg.norm(measured - fitted, axis=1, keepdims=True)
        weight = 1 / (1 + (distance / OUTLIER_PX) ** 2)
    return fitted


def _terms(pose: Float64) -> Float64:
    yaw, pitch, roll = pose.T
    squares = (yaw**2, pitch**2, roll**2, yaw * pitch, yaw * roll)
    return np.stack((np.ones(len(pose)), yaw, pitch, roll, *squares), axis=1)
