"""Removes what the landmarks leave of the motion in face crops: jitter, and the pull of an opening jaw on the mesh.

The nose hardly deforms in speech. Its place in each crop is measured on the pixels, and its quick motion is taken out.
Slow motion stays, because there the landmarks are right: a turned head moves the nose against the lips.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.enrol.person.smooth import filled, smoothed

Float64 = NDArray[np.float64]

# Nose and the skin beside it, in pixels of the crop: left, top, width, height.
NOSE = (92, 100, 72, 66)
N_REFERENCE = 60
MIN_CORRELATION = 0.9
MAX_SHIFT_PX = 5.0
ECC_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
ECC_BLUR_PX = 5
# Standard deviations in pictures of 40 ms: motion slower than the first is left, noise quicker than the second removed.
SLOW_PICTURES, NOISE_PICTURES = 12.0, 0.7


def steadied(pictures: UInt8, to_picture: Float32) -> Float32:
    """Correct the similarities of consecutive pictures by the quick motion of the nose.

    Args:
        pictures: (n, H, W, 3) uint8 BGR.
        to_picture: (n, 2, 3) float32, see `FaceCrops`.

    Returns:
        (n, 2, 3) float32; unchanged where the nose cannot be measured in any picture.
    """
    chosen = np.unique(np.linspace(0, len(pictures) - 1, N_REFERENCE).astype(int)).tolist()
    noses = np.stack([_nose(pictures[k], to_picture[k]) for k in chosen])
    reference = np.asarray(noses.mean(axis=0), np.float32)
    measured = filled(
        np.array([_shift(reference, _nose(picture, at)) for picture, at in zip(pictures, to_picture, strict=True)])
    )
    if not np.isfinite(measured).all():
        return to_picture
    shift_px = smoothed(measured - smoothed(measured, SLOW_PICTURES), NOISE_PICTURES)
    result = to_picture.copy()
    result[:, :, 2] += np.einsum("nij,nj->ni", to_picture[:, :, :2], shift_px)
    return result


def _nose(picture: UInt8, to_picture: Float32) -> Float32:
    """The nose of a picture, float32 grey."""
    left, top, width, height = NOSE
    matrix = to_picture.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY), np.float32)


def _shift(reference: Float32, patch: Float32) -> Float64:
    """Shift of a patch in x and y, in pixels of the crop; NaN if it does not look like the reference.

    Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization" (2008).
    """
    start = np.eye(2, 3, dtype=np.float32)
    try:
        correlation, found = cv2.findTransformECC(
            reference, patch, start, cv2.MOTION_TRANSLATION, ECC_STEPS, None, ECC_BLUR_PX
        )
    except cv2.error:
        # It does not converge, or the patch has one colour.
        return np.full(2, np.nan)
    shift: Float64 = np.asarray(found[:, 2], np.float64)
    is_sure = correlation >= MIN_CORRELATION and np.abs(shift).max() <= MAX_SHIFT_PX
    return shift if is_sure else np.full(2, np.nan)
