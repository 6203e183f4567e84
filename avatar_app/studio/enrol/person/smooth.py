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

    Near the ends a line is fitted under the kernel (local linear regression), which keeps a slope as it is.

    Args:
        curves: (n, ...) without NaN.
        sigma_pictures: standard deviation of the kernel; 0 leaves the curves as they are.

    Returns:
        (n, ...) float64.
    """
    flat = np.asarray(curves, np.float64).reshape(len(curves), -1)
    if sigma_pictures <= 0 or len(flat) < 2:
        return flat.reshape(curves.shape).copy()
    reach = int(np.ceil(_REACH_SIGMAS * sigma_pictures))
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * np.square(at / sigma_pictures))
    ones = np.ones((len(flat), 1))
    sum_w, sum_wt, sum_wtt = (_correlated(ones, kernel * at**power) for power in range(3))
    sum_wx, sum_wtx = _correlated(flat, kernel), _correlated(flat, kernel * at)
    result = (sum_wtt * sum_wx - sum_wt * sum_wtx) / (sum_wtt * sum_w - sum_wt**2)
    return np.asarray(result.reshape(curves.shape), np.float64)


def _correlated(columns: Float64, kernel: Float64) -> Float64:
    """(n, m) columns with a kernel around each row; 0 beyond the ends."""
    reach = len(kernel) // 2
    rows = [np.convolve(column, kernel[::-1])[reach : reach + len(columns)] for column in columns.T]
    return np.stack(rows, axis=1)
