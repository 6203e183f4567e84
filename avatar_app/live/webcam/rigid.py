"""Head pose from the rigid parts of a face.

A rigid model is fitted to forehead, nose bridge, corners of the eyes, temples and cheekbones. Lips, jaw, lids, brows
and the tip of the nose move with speech and are ignored. The perspective is that of a head at half a metre, for any
lens and crop, so no camera calibration is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Pairs of landmarks on the left and right side of the picture, and the position of the right one in cm: x right, y
# down, z into the picture. The origin is midway between the outer corners of the eyes, which are 9 cm apart. The mean
# shape of six speakers of the GRID corpus, made symmetric.
_PAIRS: dict[tuple[int, int], tuple[float, float, float]] = {
    (33, 263): (4.5, 0.0, 0.0),
    (133, 362): (1.7, 0.1, -0.5),
    (108, 337): (1.7, -4.1, -1.7),
    (69, 299): (3.1, -4.0, -1.2),
    (234, 454): (7.0, 2.6, 5.4),
    (127, 356): (7.0, 1.1, 5.0),
    (116, 345): (6.4, 2.0, 1.1),
    (117, 346): (5.3, 1.8, -0.1),
    (118, 347): (4.5, 2.0, -0.7),
    (50, 280): (4.9, 3.5, -0.9),
    (123, 352): (6.2, 3.4, 0.8),
    (21, 251): (6.6, -2.1, 2.9),
    (54, 284): (6.0, -3.4, 1.7),
}
_MIDDLE: dict[int, tuple[float, float, float]] = {
    5: (0.0, 2.2, -4.5),
    195: (0.0, 1.5, -3.9),
    197: (0.0, 0.9, -3.3),
    6: (0.0, 0.2, -2.7),
    168: (0.0, -0.6, -2.2),
    8: (0.0, -1.3, -2.2),
    9: (0.0, -2.3, -2.3),
    151: (0.0, -4.0, -1.8),
    10: (0.0, -5.7, -1.3),
}
_MIRROR = np.array([-1.0, 1.0, 1.0])
RIGID_IDS = np.array([left for left, _ in _PAIRS] + [right for _, right in _PAIRS] + list(_MIDDLE))
RIGID_CM: Floats = np.concatenate(
    [np.array(list(_PAIRS.values())) * _MIRROR, np.array(list(_PAIRS.values())), np.array(list(_MIDDLE.values()))]
)
DISTANCE_CM = 55.0
N_ITERATIONS = 3


@dataclass(frozen=True, slots=True)
class RigidFit:
    """Result of a fit.

    Attributes:
        rotation: (3, 3) from head axes to picture axes: x right, y down, z into the picture.
        px_per_cm: scale at the centre of the model.
        error_cm: RMS distance between the landmarks and the model.
    """

    rotation: Floats
    px_per_cm: float
    error_cm: float

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll: nose to the right edge, nose down, clockwise."""
        yaw, pitch = direction_angles_deg(-self.rotation[:, 2])
        return yaw, pitch, float(np.degrees(np.arctan2(self.rotation[1, 0], self.rotation[1, 1])))


def direction_angles_deg(direction: Floats) -> tuple[float, float]:
    """Yaw and pitch of a unit vector (3,); (0, 0, -1) points at the camera."""
    yaw = np.degrees(np.arctan2(direction[0], -direction[2]))
    return float(yaw), float(np.degrees(np.arcsin(np.clip(direction[1], -1, 1))))


class RigidFace:
    """Fits the model to landmarks. Thread: any; it has no state.

    Iterates scaled orthography towards perspective (DeMenthon and Davis, "Model-based object pose in 25 lines of code",
    1995), at a fixed distance.

    Args:
        points_cm: (n, 3) model, n >= 4 and not in one plane.
        distance_cm: between camera and head.
    """

    def __init__(self, points_cm: Floats = RIGID_CM, distance_cm: float = DISTANCE_CM) -> None:
        self._points = points_cm - points_cm.mean(axis=0)
        self._distance_cm = distance_cm
        self._solver = np.linalg.pinv(np.column_stack([self._points, np.ones(len(self._points))]))

    def fit(self, points_px: Floats) -> RigidFit:
        """Find the rotation and scale under which the model projects to these points.

        Args:
            points_px: (n, 2) in pixels, in the order of the model.

        Returns:
            The fit with its residual.
        """
        flat = points_px
        for _ in range(N_ITERATIONS):
            axes, origin = self._linear(flat)
            rotation, px_per_cm = _nearest_rotation(axes)
            # Undo the perspective: points nearer to the camera appear larger.
            flat = origin + (points_px - origin) * (1 + self._points @ rotation[2] / self._distance_cm)[:, None]
        axes, origin = self._linear(flat)
        rotation, px_per_cm = _nearest_rotation(axes)
        error_px = flat - origin - px_per_cm * self._points @ rotation[:2].T
        error_cm = float(np.sqrt(np.square(error_px).sum(axis=1).mean()) / max(px_per_cm, 1e-9))
        return RigidFit(rotation, px_per_cm, error_cm)

    def _linear(self, points_px: Floats) -> tuple[Floats, Floats]:
        """(2, 3) axes and (2,) origin of the least-squares affine projection."""
        solution = self._solver @ points_px
        return solution[:3].T, solution[3]


def _nearest_rotation(axes: Floats) -> tuple[Floats, float]:
    """The rotation whose first rows are nearest to (2, 3) axes, and the axes' scale."""
    u, sizes, vt = np.linalg.svd(axes, full_matrices=False)
    rows = u @ vt
    return np.vstack([rows, np.cross(rows[0], rows[1])]), float(sizes.mean())
