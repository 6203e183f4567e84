"""Measurements of the mouth on the landmarks of a face, relative to the same face at rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_app.live.webcam.face import LEFT, RIGHT
from avatar_app.studio.enrol.person.alignment import place
from avatar_app.studio.enrol.person.smooth import filled, smoothed

Float64 = NDArray[np.float64]

_X, _Y, _Z = 0, 1, 2
# Each measurement is the mean of some landmarks minus the mean of others, along one axis of the neutral face.
_DIFFERENCES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "gap in the middle": ((87, 14, 317), (82, 13, 312), _Y),
    "gap at the sides": ((178, 402), (81, 311), _Y),
    "gap at the corners": ((88, 318), (80, 310), _Y),
    "inner width": ((308,), (78,), _X),
    "outer width": ((291,), (61,), _X),
    "width of the upper lip": ((270,), (40,), _X),
    "width of the lower lip": ((405,), (181,), _X),
    "upper lip": ((13,), (0,), _Y),
    "sides of the upper lip": ((81, 311), (39, 269), _Y),
    "lower lip": ((17,), (14,), _Y),
    "sides of the lower lip": ((181, 405), (178, 402), _Y),
    "lower lip to chin": ((152,), (17,), _Y),
}
# And the position of some landmarks along one axis.
_PLACES: dict[str, tuple[tuple[int, ...], int]] = {
    "outer edge above": ((0, 37, 267), _Y),
    "inner edge above": ((13, 82, 312), _Y),
    "outer edge below": ((17, 84, 314), _Y),
    "inner edge below": ((14, 87, 317), _Y),
    "chin": ((152, 148, 377), _Y),
    "corners": ((61, 291), _Y),
    "depth of the corners": ((61, 291), _Z),
    "depth of the upper lip": ((0, 37, 267), _Z),
    "depth of the lower lip": ((17, 84, 314), _Z),
}
FEATURE_NAMES = (*_DIFFERENCES, *_PLACES)
GAP = FEATURE_NAMES.index("gap in the middle")
N_GAPS = 3
# Standard deviation of the smoothing in pictures of 40 ms.
SMOOTH_PICTURES = 0.5


def features_of(landmarks_px: NDArray[np.floating], neutral_px: NDArray[np.floating]) -> Float64:
    """Measure the mouth with the motion of the head removed.

    Args:
        landmarks_px: (n, 478, 3) of pictures or crops; NaN without a face.
        neutral_px: (478, 3), the same face at rest, at any place and scale.

    Returns:
        (n, 21) float64, change since rest over the distance of the outer corners of the eyes; NaN without a face.
    """
    still = place(landmarks_px, neutral_px).in_crop(landmarks_px)
    rest = np.asarray(neutral_px, np.float64)
    unit = np.linalg.norm(rest[LEFT.outer, :2] - rest[RIGHT.outer, :2])
    return np.asarray((_measured(still) - _measured(rest[None])) / unit)


def smoothed_features(features: Float64) -> Float64:
    """(n, 21) measurements of consecutive pictures with less noise, without lag; pictures without a face interpolated.

    The gaps stay as they are: they have hardly any noise, and smoothing would open the lips of a short p or b.
    """
    known = filled(features)
    return np.concatenate((known[:, :N_GAPS], smoothed(known[:, N_GAPS:], SMOOTH_PICTURES)), axis=1)


def _measured(points: Float64) -> Float64:
    differences = [
        points[:, list(plus), axis].mean(axis=1) - points[:, list(minus), axis].mean(axis=1)
        for plus, minus, axis in _DIFFERENCES.values()
    ]
    places = [points[:, list(ids), axis].mean(axis=1) for ids, axis in _PLACES.values()]
    return np.stack((*differences, *places), axis=1)
