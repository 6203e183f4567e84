"""Breathing: head and shoulders rise and fall by less than a pixel."""

from __future__ import annotations

import math

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8

PERIOD_S = 4.0
LIFT_PX = 0.9
# Steps too small to see, and few enough to cache a picture for each.
N_STEPS = 14
# Below this part of the height the lift falls linearly to zero at the lower edge.
FALL_RATIO = 0.86


def lift_px(idle_index: int, idle_fps: int, n_idle: int) -> float:
    """Lift at a step of the idle loop, in pixels; the loop holds whole breaths."""
    n_breaths = max(1, round(n_idle / idle_fps / PERIOD_S))
    wave = 0.5 - 0.5 * math.cos(2 * math.pi * n_breaths * idle_index / n_idle)
    # Breathing in is faster than breathing out.
    return LIFT_PX * round(math.pow(wave, 1.3) * N_STEPS) / N_STEPS


def lift_share(y: Float32, size_px: int) -> Float32:
    """How much of the lift rows of the portrait follow, 0..1."""
    share = np.clip((size_px - 1 - y) / (size_px * (1 - FALL_RATIO)), 0, 1)
    return np.asarray(share, np.float32)


def lifted(body: UInt8, by_px: float, first_row: int) -> UInt8:
    """The lower part of a portrait, lifted.

    Args:
        body: (size, size, 4) uint8 BGRA.
        by_px: how far up.
        first_row: the first row of that part.

    Returns:
        (size - first_row, size, 4) uint8.
    """
    size_px = len(body)
    x, y = np.meshgrid(np.arange(size_px), np.arange(first_row, size_px))
    down = (y + by_px * lift_share(y.astype(np.float32), size_px)).astype(np.float32)
    part: UInt8 = cv2.remap(body, x.astype(np.float32), down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return part
