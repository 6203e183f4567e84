"""Smoothing of recorded curves without lag, and across pictures without a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# The kernel ends where the Gaussian has fallen to 0.01.
_REACH_SIGMAS = 3.0


def filled(curves: NDArray[np.floating]) -> Float64:
    """Replace NaN by linear interpolation over time; before the first and after the last value, by that value.

    Args:
        curves: (n, ...) with NaN where nothing was measured.

    Returns:
        (n, ...) float64; all NaN where a column has no value.
    """
    flat = np.asarray(curves, np.float64).reshape(len(curves), -1).copy()
    at = np.arange(len(flat))
    for column in flat.T:
        is_known = np.isfinite(column)
        if is_known.any() and not is_known.all():
            column[~is_known] = np.interp(at[~is_known], at[is_known], column[is_known])
    return flat.reshape(curves.shape)


def smoothed(curves: NDArray[np.floating], sigma_pictures: float) -> Float64:
    """Smooth with a symmetric Gaussian kernel, so nothing is delayed.

    At the ends the curve is continued by its point reflection, which keeps a slope as it is.

    Args:
        curves: (n, ...) without NaN.
        sigma_pictures: standard deviation of the kernel; 0 leaves the curves as they are.

    Returns:
        (n, ...) float64.
    """
    flat = np.asarray(curves, np.float64).reshape(len(curves), -1)
    reach = min(int(np.ceil(_REACH_SIGMAS * sigma_pictures)), len(flat) - 1)
    if sigma_pictures <= 0 or reach <= 0:
        return flat.reshape(curves.shape).copy()
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma_pictures))
    kernel /= kernel.sum()
    before = 2 * flat[:1] - flat[reach:0:-1]
    after = 2 * flat[-1:] - flat[-2 : -reach - 2 : -1]
    continued = np.concatenate((before, flat, after))
    result = np.stack([np.convolve(column, kernel, mode="valid") for column in continued.T], axis=1)
    return result.reshape(curves.shape)
