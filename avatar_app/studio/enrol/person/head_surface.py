"""Where the points of a person's portrait move when the head turns: a surface through the landmarks of the face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32
from avatar_app.studio.enrol.pose_scatter import scatter

Float64 = NDArray[np.float64]

# Landmarks of mediapipe's face mesh: the outline of the face at its sides, the chin, the top, the lips.
SIDES, CHIN, TOP, LIPS = (234, 454), 152, 10, (13, 14)
N_MESH = 468
STEP_PX = 8
# From the chin down, in heights of the face, the neck follows less and less.
NECK_RATIO = 0.45
# Beside the face the head ends, in widths of the face; there nothing moves.
SIDE_RATIOS = (0.22, 0.60)
N_INVERSIONS = 6
SMALL_DEG = 0.5


class HeadSurface:
    """The head at rest in the portrait.

    Args:
        landmarks: (478, 3) in pixels of the portrait, z smaller towards the camera.
        size_px: side of the portrait.
        still_from_px: row from which on nothing moves, because the shoulders begin; None for the lower end of the neck.
    """

    def __init__(self, landmarks: Float64, size_px: int, still_from_px: float | None = None) -> None:
        self.size_px = size_px
        sides = landmarks[list(SIDES)]
        self.chin_px, self.top_px = float(landmarks[CHIN, 1]), float(landmarks[TOP, 1])
        self.width_px = float(sides[1, 0] - sides[0, 0])
        neck_end_px = self.chin_px + NECK_RATIO * self.height_px
        self._still_from_px = neck_end_px if still_from_px is None else min(neck_end_px, still_from_px)
        # Yaw and pitch turn the head about a point between the sides, as high as the lips.
        self._pivot = np.array([sides[:, 0].mean(), landmarks[list(LIPS), 1].mean(), sides[:, 2].mean()])
        self._depth = self._lattice(landmarks[:N_MESH])
        self._weight = self._follow()

    @property
    def pivot_px(self) -> tuple[float, float]:
        """The centre of roll: the neck below the chin."""
        return float(self._pivot[0]), self.chin_px + 0.15 * self.height_px

    @property
    def height_px(self) -> float:
        """Height of the face."""
        return self.chin_px - self.top_px

    def neck_share(self, y: NDArray[np.floating]) -> Float64:
        """How much of the head's rotation a row of the portrait follows, 0..1."""
        t = np.clip((self._still_from_px - y) / (NECK_RATIO * self.height_px), 0, 1)
        return np.asarray(t * t * (3 - 2 * t), np.float64)

    def turned(self, points: Float64, yaw_deg: float, pitch_deg: float) -> Float64:
        """(..., 2) places in the portrait of points (..., 2) at rest, when the head is turned."""
        depth, weight = self._sample(self._depth, points), self._sample(self._weight, points)
        x, y, z = points[..., 0] - self._pivot[0], points[..., 1] - self._pivot[1], depth - self._pivot[2]
        yaw, pitch = np.radians([yaw_deg, pitch_deg])
        down, away = y * np.cos(pitch) - z * np.sin(pitch), y * np.sin(pitch) + z * np.cos(pitch)
        right = x * np.cos(yaw) - away * np.sin(yaw)
        moved = np.stack((right - x, down - y), axis=-1)
        return np.asarray(points + weight[..., None] * moved, np.float64)

    def at_rest(self, points: Float64, yaw_deg: float, pitch_deg: float) -> Float64:
        """The inverse of `turned`, by fixed-point iteration."""
        rest = points.copy()
        for _ in range(N_INVERSIONS):
            rest = points - (self.turned(rest, yaw_deg, pitch_deg) - rest)
        return rest

    def velocity(self, rest: Float64, yaw_deg: float, pitch_deg: float) -> Float64:
        """(..., 4) pixels per degree of yaw, and of pitch, of points at rest."""
        ways = []
        for d_yaw, d_pitch in ((SMALL_DEG, 0.0), (0.0, SMALL_DEG)):
            later = self.turned(rest, yaw_deg + d_yaw, pitch_deg + d_pitch)
            ways.append((later - self.turned(rest, yaw_deg - d_yaw, pitch_deg - d_pitch)) / (2 * SMALL_DEG))
        return np.concatenate(ways, axis=-1)

    def _lattice(self, landmarks: Float64) -> Float32:
        """Depth on a lattice; beyond the face it continues smoothly, and behind the sides no further."""
        n = self.size_px // STEP_PX
        place = np.rint((landmarks[:, :2] - (STEP_PX - 1) / 2) / STEP_PX).astype(int)
        inside = ((place >= 0) & (place < n)).all(axis=1)
        depth = scatter(place[inside], landmarks[inside, 2:], (n, n))[:, :, 0]
        return np.asarray(cv2.GaussianBlur(np.minimum(depth, self._pivot[2]), (0, 0), 1), np.float32)

    def _follow(self) -> Float32:
        """How much each lattice point follows the head: hair does, neck and background less and less."""
        n = self.size_px // STEP_PX
        y, x = np.mgrid[:n, :n] * STEP_PX + (STEP_PX - 1) / 2
        beside = (np.abs(x - self._pivot[0]) - self.width_px / 2) / self.width_px
        t = np.clip((SIDE_RATIOS[1] - beside) / (SIDE_RATIOS[1] - SIDE_RATIOS[0]), 0, 1)
        return np.asarray(self.neck_share(y) * t * t * (3 - 2 * t), np.float32)

    def _sample(self, lattice: Float32, points: Float64) -> Float64:
        places = ((points - (STEP_PX - 1) / 2) / STEP_PX).astype(np.float32)
        flat = np.ascontiguousarray(places.reshape(-1, 1, 2)) if places.ndim != 3 else places
        values = cv2.remap(lattice, flat, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(values, np.float64).reshape(points.shape[:-1])
