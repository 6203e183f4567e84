"""Motion of every pixel of a pose grid when the head turns: dense optical flow between neighbours."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.live.frame.pose_assets import STEP_PX
from avatar_app.studio.enrol.pose_grid import PoseGrid, grey

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Width in lattice points of the fade of motion at the edge of the turning part.
FADE_POINTS = 3


class Flow:
    """Dense inverse search (Kroeger et al. 2016), tuned for small motion and high precision."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._search.setFinestScale(0)
        self._search.setPatchStride(3)
        self._search.setGradientDescentIterations(25)
        self._search.setVariationalRefinementIterations(10)

    def __call__(self, here: UInt8, there: UInt8) -> Float32:
        """(H, W, 2) float32: pixel p of `here` is at p + flow[p] in `there`; both are (H, W) uint8."""
        flow: Float32 = self._search.calc(here, there, None)
        return flow


def velocities(grid: PoseGrid, advance: Callable[[], None]) -> Float32:
    """Motion of the point that each pixel shows, per degree.

    Args:
        grid: pictures.
        advance: called after each picture.

    Returns:
        (n_pitches, n_yaws, size, size, 4) float32: x, y in pixels per degree of yaw, x, y per degree of pitch.
    """
    flow = Flow()
    n_pitches, n_yaws = len(grid.pitches), len(grid.yaws)
    greys = [[grey(grid.pictures[row, column]) for column in range(n_yaws)] for row in range(n_pitches)]
    found = np.zeros((*grid.pictures.shape[:4], 4), np.float32)
    for row in range(n_pitches):
        for column in range(n_yaws):
            across = [
                flow(greys[row][column], greys[row][other]) / (grid.yaws[other] - grid.yaws[column])
                for other in _neighbours(column, n_yaws)
            ]
            down = [
                flow(greys[row][column], greys[other][column]) / (grid.pitches[other] - grid.pitches[row])
                for other in _neighbours(row, n_pitches)
            ]
            found[row, column] = np.dstack((np.mean(across, axis=0), np.mean(down, axis=0)))
            advance()
    return found


def on_lattice(motion: Float32) -> Float32:
    """Downsample the motion of the turning part, (h, w, 4) per pixel, to lattice points; it fades at the edge."""
    size = (motion.shape[1] // STEP_PX, motion.shape[0] // STEP_PX)
    coarse: Float32 = cv2.resize(motion, size, interpolation=cv2.INTER_AREA)
    return coarse * _fade(coarse.shape[:2])[:, :, None]


def _fade(shape: tuple[int, ...]) -> Float32:
    """(h, w) 1, fading to 0 at the sides and the lower edge; the picture is transparent above the head."""
    height, width = shape
    to_side = np.minimum(np.arange(width), np.arange(width)[::-1]) / FADE_POINTS
    to_bottom = np.arange(height)[::-1] / FADE_POINTS
    return np.minimum(np.minimum(to_side[None], to_bottom[:, None]), 1).astype(np.float32)


def _neighbours(k: int, n: int) -> list[int]:
    return [other for other in (k - 1, k + 1) if 0 <= other < n]
