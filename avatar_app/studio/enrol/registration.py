"""Registration of the face crop at rest with each idle picture, in which the head moves slightly.

Registration of the whole lower face follows the outlines of jaw and hair, which hardly move when the head turns, and
misplaces the lips by nine pixels. So parts of the face are tracked separately, and an affine map is fitted to them.
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
    """A tracked part of the face: a box of the crop in pixels, and its weight in the fit."""

    left: int
    top: int
    right: int
    bottom: int
    weight: float

    @property
    def middle(self) -> tuple[float, float]:
        """Centre of the box in pixels of the crop."""
        return (self.left + self.right - 1) / 2, (self.top + self.bottom - 1) / 2


# Lips, corners of the mouth, chin, tip of the nose. The nose has a low weight because it is in front of the face.
PARTS = (
    Part(88, 186, 168, 222, 3.0),
    Part(86, 186, 112, 208, 1.5),
    Part(146, 186, 172, 208, 1.5),
    Part(100, 228, 156, 252, 0.7),
    Part(104, 140, 152, 170, 0.5),
)
# Search range around the position at rest.
REACH_PX = 16
# A lower correlation means another face.
MIN_CORRELATION = 0.7
# A measured position further from the fit has a low weight.
OUTLIER_PX = 0.3
N_REWEIGHTS = 8
MOUTH = np.array([128.0, 200.0, 1.0])


def find_parts(rest: UInt8, picture: UInt8, corner: tuple[int, int]) -> Float64:
    """Find the parts of the face in a picture.

    Args:
        rest: (256, 256, 3) uint8 BGR.
        picture: (512, 512, 3) uint8 BGR.
        corner: x, y of the crop in the picture when the head is at rest.

    Returns:
        (n_parts, 2) x, y of the centres of the parts in the picture.

    Raises:
        StudioError: the picture shows another face.
    """
    crop, whole = cv2.cvtColor(rest, cv2.COLOR_BGR2GRAY), cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.array([_find(part, crop, whole, corner) for part in PARTS])


def crops_of(places: Float64, pose: Float32) -> Float32:
    """Affine map of the crop into every picture, as a smooth function of the head pose, without jitter.

    Args:
        places: (n, n_parts, 2) measured centres of the parts.
        pose: (n, 3) yaw, pitch, roll in any unit.

    Returns:
        (n, 2, 3) float32; crop point p is at A @ (p, 1) in the picture.
    """
    terms = _terms(pose.astype(np.float64))
    fitted = np.stack([_smooth(places[:, part], terms) for part in range(len(PARTS))], axis=1)
    middles = np.array([(*part.middle, 1.0) for part in PARTS])
    weight = np.sqrt([part.weight for part in PARTS])[:, None]
    maps = [np.linalg.lstsq(middles * weight, one * weight, rcond=None)[0].T for one in fitted]
    return np.stack(maps).astype(np.float32)


def lips_distance_px(crops: Float32, places: Float64) -> Float64:
    """(n,): distance between the mapped and the measured centre of the lips."""
    middle = np.array([*PARTS[0].middle, 1.0])
    distance: Float64 = np.linalg.norm(crops @ middle - places[:, 0], axis=1)
    return distance


def jitter_px(crops: Float32) -> float:
    """Largest second difference of the position of the mouth along the loop."""
    place = crops @ MOUTH
    loop = np.concatenate((place, place[:2]))
    return float(np.abs(np.diff(loop, n=2, axis=0)).max())


def _find(part: Part, crop: UInt8, whole: UInt8, corner: tuple[int, int]) -> tuple[float, float]:
    left, top = corner[0] - REACH_PX, corner[1] - REACH_PX
    around = whole[
        top + part.top : top + part.bottom + 2 * REACH_PX, left + part.left : left + part.right + 2 * REACH_PX
    ]
    correlation = cv2.matchTemplate(around, crop[part.top : part.bottom, part.left : part.right], cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(correlation)
    if best < MIN_CORRELATION:
        raise StudioError(
            "An idle picture does not show the face of the clips.", "Use idle pictures and clips of the same head."
        )
    middle_x, middle_y = part.middle
    return left + middle_x + x + _peak(correlation[y], x), top + middle_y + y + _peak(correlation[:, x], y)


def _peak(values: NDArray[np.generic], k: int) -> float:
    """Offset of the maximum of a parabola through value k and its neighbours, -0.5..0.5."""
    if not 0 < k < len(values) - 1:
        return 0.0
    before, here, after = (float(v) for v in np.asarray(values[k - 1 : k + 2], np.float64))
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _smooth(measured: Float64, terms: Float64) -> Float64:
    """(n, 2) positions as a quadratic function of the pose, fitted with low weights for outliers."""
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
