"""Finds the visible mark in a picture, at whatever size an output shows it."""

import cv2
import numpy as np

from avatar_app.live.frame import Badge

SIDE_PX = 512
# The mark against itself is 1; faces, checkerboards and plain colours stay below 0.3.
LEAST_MATCH = 0.8


def is_marked(square: np.ndarray) -> bool:
    """Whether (S, S, 3 or more) uint8, blue first, has the mark in its corner."""
    blank = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    Badge().stamp(blank)
    rows, columns = np.nonzero(blank[..., 3])
    place = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    size = (SIDE_PX, SIDE_PX)
    seen = cv2.resize(np.ascontiguousarray(square[..., :3]), size, interpolation=cv2.INTER_AREA)
    wanted, found = (cv2.cvtColor(part[..., :3][place], cv2.COLOR_BGR2GRAY) for part in (blank, seen))
    return float(cv2.matchTemplate(found, wanted, cv2.TM_CCOEFF_NORMED)[0, 0]) > LEAST_MATCH
