"""Geometry of the head: camera, 3D model, and depth of each pixel of the face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.pose_scatter import scatter

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

GET_THE_RIG = "Get the rig again, or choose another file with --rig."
# Points further than this behind the nearest point of a pixel are hidden.
FRONT_DEPTH = 0.08


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that looks along +y, without tilt.

    The values were measured on the rendered portraits (a 100 mm lens): scale and position from the irises at rest, the
    distance from lips, brows and nostrils of turned heads. The median error of turned features is 0.3 px; registration
    corrects it.

    Attributes:
        focal_px: focal length.
        distance, height: of the camera in units of the rig.
        x_px, y_px: principal point.
    """

    focal_px: float = 1421.5
    distance: float = 10.46
    height: float = 6.557
    x_px: float = 255.5
    y_px: float = 255.5

    def project(self, points: Float64) -> Float64:
        """(..., 3) x, y, z to (..., 2) pixels."""
        scale = self.focal_px / (points[..., 1] + self.distance)
        x, y = self.x_px + scale * points[..., 0], self.y_px - scale * (points[..., 2] - self.height)
        return np.stack((x, y), axis=-1)

    def unproject(self, pixels: Float64, depth: Float64) -> Float64:
        """(..., 2) pixels at (...) y to (..., 3) points."""
        scale = (depth + self.distance) / self.focal_px
        x, z = (pixels[..., 0] - self.x_px) * scale, self.height - (pixels[..., 1] - self.y_px) * scale
        return np.stack((x, depth, z), axis=-1)


@dataclass(frozen=True)
class Rig:
    """A head as a linear 3D model: x right in the picture, y away from the camera, z up.

    Attributes:
        neutral: (V, 3) at rest.
        blink: (V, 3) offsets of closed lids.
        triangles: (T, 3) indices.
        label: (V,) index into `label_names`.
        head_weight: (V,) in 0..1, share of the head's rotation that a vertex follows.
        pivot: (3,) centre of the head's rotation.
        eyes: (2, 3) centres of the eyeballs, the left one in the picture first.
    """

    neutral: Float64
    blink: Float64
    triangles: NDArray[np.int64]
    label: NDArray[np.int64]
    label_names: tuple[str, ...]
    head_weight: Float64
    pivot: Float64
    eyes: Float64

    def is_of(self, *names: str) -> NDArray[np.bool_]:
        """(V,) bool: vertices with one of these labels."""
        return np.isin(self.label, [self.label_names.index(name) for name in names])

    def normals(self) -> Float64:
        """(V, 3) unit normals at rest."""
        a, b, c = (self.neutral[self.triangles[:, k]] for k in range(3))
        normals = np.zeros_like(self.neutral)
        for k in range(3):
            np.add.at(normals, self.triangles[:, k], np.cross(b - a, c - a))
        length: Float64 = np.linalg.norm(normals, axis=1, keepdims=True)
        return np.asarray(normals / np.maximum(length, 1e-9))


def read_rig(path: Path) -> Rig:
    """Read `rig.npz`.

    Raises:
        StudioError: the file or an array in it cannot be read.
    """
    try:
        with np.load(path) as data:
            eyes = data["eye_center"].astype(np.float64)
            return Rig(
                neutral=data["neutral"].astype(np.float64),
                blink=data["deltas"][[str(name) for name in data["names"]].index("blink")].astype(np.float64),
                triangles=data["tri"].astype(np.int64),
                label=data["label"].astype(np.int64),
                label_names=tuple(str(name) for name in data["label_names"]),
                head_weight=data["head_weight"].astype(np.float64),
                pivot=data["pivot"].astype(np.float64),
                eyes=eyes[np.argsort(eyes[:, 0])],
            )
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The rig {path} cannot be read: {error}.", GET_THE_RIG) from error


class Surface:
    """Depth map of the face at rest, extrapolated beyond the face.

    Args:
        rig: the head.
        camera: the camera of the pictures.
        size_px: side of the pictures.
        step_px: pixels per lattice point.
    """

    def __init__(self, rig: Rig, camera: Camera, size_px: int, step_px: int = 4) -> None:
        self._rig, self._camera = rig, camera
        n = size_px // step_px
        is_front = (rig.normals()[:, 1] < -0.15) & (rig.neutral[:, 1] < -0.3) & rig.is_of("skin", "lips", "eyelids")
        points, weights = rig.neutral[is_front], rig.head_weight[is_front]
        place = np.rint((camera.project(points) - (step_px - 1) / 2) / step_px).astype(int)
        inside = ((place >= 0) & (place < n)).all(axis=1)
        place, values = place[inside], np.stack((points[inside, 1], weights[inside]), axis=1)
        in_front = _front(place, values[:, 0], n)
        lattice = scatter(place[in_front], values[in_front], (n, n))
        full = cv2.resize(lattice, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        self._depth, self._weight = full[:, :, 0], full[:, :, 1]

    def turned(self, pixels: Float32, yaw_deg: float, pitch_deg: float) -> Float32:
        """(h, w, 2) position in the turned picture of the points at `pixels`, (h, w, 2) integer x, y, at rest."""
        x, y = pixels[..., 0].astype(int), pixels[..., 1].astype(int)
        points = self._camera.unproject(pixels.astype(np.float64), self._depth[y, x].astype(np.float64))
        turned = (points - self._rig.pivot) @ _rotation(yaw_deg, pitch_deg).T + self._rig.pivot
        weight = self._weight[y, x][..., None]
        return self._camera.project(points + (turned - points) * weight).astype(np.float32)


def _front(place: NDArray[np.int64], depth: Float64, n: int) -> NDArray[np.bool_]:
    """(n,) bool: points in front of the others at their lattice point."""
    nearest = np.full((n, n), np.inf)
    np.minimum.at(nearest, (place[:, 1], place[:, 0]), depth)
    is_front: NDArray[np.bool_] = depth < nearest[place[:, 1], place[:, 0]] + FRONT_DEPTH
    return is_front


def _rotation(yaw_deg: float, pitch_deg: float) -> Float64:
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    product: Float64 = turn @ nod
    return product
