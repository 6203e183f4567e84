"""A grid of pictures of one head in regular steps of yaw and pitch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.spread import spread_colours

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Degrees of the pose parameters at 1; they are in -1..1.
YAW_DEG, PITCH_DEG, ROLL_DEG = 25.0, 18.0, 15.0
GREY = 110
GET_THE_GRID = "Get the pose pictures again, or choose another folder with --grid."


@dataclass(frozen=True)
class PoseGrid:
    """Pictures by pitch and yaw.

    Attributes:
        yaws, pitches: in degrees, ascending in equal steps.
        pictures: (n_pitches, n_yaws, size, size, 4) uint8 BGRA with straight alpha; colours extend beyond the outline.
    """

    yaws: Float32
    pitches: Float32
    pictures: UInt8

    @property
    def middle(self) -> tuple[int, int]:
        """Row and column of the head at rest."""
        return int(np.abs(self.pitches).argmin()), int(np.abs(self.yaws).argmin())

    @property
    def size_px(self) -> int:
        """Side of the pictures."""
        return int(self.pictures.shape[2])


def read_grid(folder: Path) -> PoseGrid:
    """Read a folder of `NNNNNN.webp` and `params.npz` with `headYaw` and `headPitch` in -1..1.

    Raises:
        StudioError: pictures or poses are missing, sizes differ, or the poses form no grid.
    """
    yaws, pitches = _axes(folder / "params.npz")
    names = [f"{k:06d}.webp" for k in range(len(yaws) * len(pitches))]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise StudioError(f"The pose picture {folder / missing[0]}{others} is missing.", GET_THE_GRID)
    pictures = [_read(folder / name) for name in names]
    if len({picture.shape for picture in pictures}) > 1:
        raise StudioError(f"The pose pictures in {folder} differ in size.", GET_THE_GRID)
    shape = (len(pitches), len(yaws), *pictures[0].shape)
    return PoseGrid(yaws, pitches, np.stack(pictures).reshape(shape))


def grey(picture: UInt8) -> UInt8:
    """(H, W) uint8: a BGRA picture over grey in greyscale, the input of flow and registration."""
    alpha = picture[:, :, 3:].astype(np.float32) / 255
    seen: UInt8 = cv2.cvtColor((picture[:, :, :3] * alpha + GREY * (1 - alpha)).astype(np.uint8), cv2.COLOR_BGR2GRAY)
    return seen


def _axes(path: Path) -> tuple[Float32, Float32]:
    try:
        with np.load(path) as data:
            names = [str(name) for name in data["names"]]
            pose = data["params"][:, [names.index("headYaw"), names.index("headPitch")]]
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The poses of the pose pictures cannot be read: {error}.", GET_THE_GRID) from error
    yaws, pitches = np.unique(pose[:, 0].round(4)), np.unique(pose[:, 1].round(4))
    expected = np.stack((np.tile(yaws, len(pitches)), np.repeat(pitches, len(yaws))), axis=1)
    if min(len(yaws), len(pitches)) < 2 or expected.shape != pose.shape or np.abs(expected - pose).max() > 1e-3:
        raise StudioError(f"The poses in {path} form no grid, row by row in pitch.", GET_THE_GRID)
    return (yaws * YAW_DEG).astype(np.float32), (pitches * PITCH_DEG).astype(np.float32)


def _read(path: Path) -> UInt8:
    picture: UInt8 | None = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or picture.shape[0] != picture.shape[1]:
        raise StudioError(f"The pose picture {path} is not a square picture with alpha.", GET_THE_GRID)
    alpha = picture[:, :, 3]
    return np.dstack((spread_colours(np.ascontiguousarray(picture[:, :, :3]), alpha), alpha))
