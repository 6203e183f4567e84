"""Where the face crop at rest lies in each idle picture, whose head moves a little."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# The part of the crop that is registered: lips, chin and cheeks, but no eyes, which blink.
LOWER_FACE = (slice(115, 252), slice(40, 216))
SMOOTHING_PX = 5
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
# A measured picture that lies further from the fit than this counts little.
OUTLIER_PX = 0.3
N_REWEIGHTS = 8
MOUTH = np.array([128.0, 200.0, 1.0])


def register(rest: UInt8, picture: UInt8, start: Float32) -> Float32:
    """The affine map under which the crop looks most like the picture (ECC, Evangelidis and Psarakis 2008).

    Args:
        rest: (256, 256, 3) uint8 BGR.
        picture: (512, 512, 3) uint8 BGR.
        start: (2, 3) float32, a first guess; crop point p lies at A @ (p, 1).

    Raises:
        StudioError: the picture shows another face.
    """
    inside = np.zeros(picture.shape[:2], np.uint8)
    rows, columns = LOWER_FACE
    top, left = round(float(start[1, 2])), round(float(start[0, 2]))
    inside[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] = 255
    try:
        _, found = cv2.findTransformECC(
            _grey(rest), _grey(picture), start.copy(), cv2.MOTION_AFFINE, STOP, inside, SMOOTHING_PX
        )
    except cv2.error as error:
        raise StudioError(
            "An idle picture does not show the face of the clips.", "Use idle pictures and clips of the same head."
        ) from error
    return np.asarray(found, dtype=np.float32)


def smooth(crops: Float32, pose: Float32) -> Float32:
    """Crops as a quadratic function of the head's pose, so that they never jitter.

    Args:
        crops: (n, 2, 3) measured.
        pose: (n, 3) yaw, pitch, roll, any unit.

    Returns:
        (n, 2, 3) float32.
    """
    terms = _terms(pose.astype(np.float64))
    measured = crops.reshape(len(crops), 6).astype(np.float64)
    weight = np.ones(len(crops))
    for _ in range(N_REWEIGHTS):
        fit = np.linalg.lstsq(terms * weight[:, None], measured * weight[:, None], rcond=None)[0]
        fitted = (terms @ fit).reshape(-1, 2, 3)
        weight = 1 / (1 + (mouth_distance_px(fitted, crops) / OUTLIER_PX) ** 2)
    return fitted.astype(np.float32)


def mouth_distance_px(a: Float32 | Float64, b: Float32 | Float64) -> Float64:
    """(n,): how far apart two lists of crops put the middle of the mouth."""
    distance: Float64 = np.linalg.norm((a - b) @ MOUTH, axis=1)
    return distance


def jitter_px(crops: Float32) -> float:
    """Largest second difference of the mouth's place along a loop of crops."""
    place = crops @ MOUTH
    loop = np.concatenate((place, place[:2]))
    return float(np.abs(np.diff(loop, n=2, axis=0)).max())


def _terms(pose: Float64) -> Float64:
    yaw, pitch, roll = pose.T
    squares = (yaw**2, pitch**2, roll**2, yaw * pitch, yaw * roll)
    return np.stack((np.ones(len(pose)), yaw, pitch, roll, *squares), axis=1)


def _grey(picture: UInt8) -> Float32:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)  # type: ignore[no-any-return]
