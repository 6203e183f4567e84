"""Where each pixel of a posed head comes from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.packets import Float32
from avatar_app.live.frame.pose_assets import LIGHT, PITCH, REST, STEP_PX, TRUST, YAW, PoseAssets
from avatar_app.live.frame.pose_breath import lift_share

# Brows in the crop at rest, and how far they go: pixels.
BROWS = ((70.0, 82.0), (188.0, 82.0))
BROW_RADII = (40.0, 15.0)
BROW_PX = 4.0
# What a corner of the triangle must have before it is drawn: as all pictures agree in place, fewer do, which is quicker
# and sharper. All three are needed in a thirtieth of all poses.
SHARE_FLOOR = 0.27


@dataclass(frozen=True)
class Source:
    """A picture of the grid that a posed head is mixed of.

    Attributes:
        row, column: of the grid.
        share: 0..1.
        shift: (h, w, 2) float32, for each lattice point: how much further right and down its colour lies.
    """

    row: int
    column: int
    share: float
    shift: Float32


@dataclass(frozen=True)
class PosedField:
    """A pose on the lattice; all arrays (h, w, ...) float32.

    Attributes:
        sources: what to mix.
        rest: x, y in the crop at rest.
        light: to be added to colours that were drawn at rest.
        trust: 0..1, is the face at rest seen here?
    """

    sources: tuple[Source, ...]
    rest: Float32
    light: Float32
    trust: Float32


class PoseField:
    """Answers for any pose between the grid's.

    Each picture of the grid knows how what it shows moves per degree. Between pictures these velocities are
    mixed, and each picture is drawn back along them to the very pose that is wanted: all agree there.
    """

    def __init__(self, assets: PoseAssets) -> None:
        self._assets = assets
        height, width = assets.fields.shape[2:4]
        across = np.arange(width) * STEP_PX + (STEP_PX - 1) / 2 + assets.left
        down = np.arange(height) * STEP_PX + (STEP_PX - 1) / 2 + assets.top
        self._pixels = np.dstack(np.meshgrid(across, down)).astype(np.float32)
        lift = lift_share(self._pixels[:, :, 1], len(assets.body))
        self._lift = np.dstack((np.zeros_like(lift), lift))
        first = assets.top // STEP_PX
        self._roll_share = assets.head_rows[first : first + height, None]

    def at(self, pose: AvatarPose, lift_px: float = 0.0) -> PosedField:
        """The field of a pose, lifted by a breath; what lies beyond the grid is drawn at its edge."""
        assets = self._assets
        yaw = float(np.clip(pose.yaw_deg, assets.yaws[0], assets.yaws[-1]))
        pitch = float(np.clip(pose.pitch_deg, assets.pitches[0], assets.pitches[-1]))
        shares = corners(assets.pitches, pitch, assets.yaws, yaw)
        field = np.zeros_like(assets.fields[0, 0])
        for node, share in shares.items():
            field += np.float32(share) * assets.fields[node]
        upright = self._upright(pose.roll_deg) + lift_px * self._lift
        if pose.roll_deg or lift_px:
            field = self._look_up(field, upright)
        rest = field[:, :, REST] + upright - assets.corner
        start = upright - self._pixels + _brow_shift(rest, pose.brow)
        sources = []
        for (row, column), share in _drawn(shares).items():
            along_yaw, along_pitch = assets.yaws[column] - yaw, assets.pitches[row] - pitch
            shift = start + along_yaw * field[:, :, YAW] + along_pitch * field[:, :, PITCH]
            sources.append(Source(row, column, share, shift.astype(np.float32)))
        return PosedField(tuple(sources), rest, np.ascontiguousarray(field[:, :, LIGHT]), field[:, :, TRUST][:, :, 0])

    def _upright(self, roll_deg: float) -> Float32:
        """Where the lattice's points lie when the head is not rolled; clockwise is positive, the shoulders stay."""
        if not roll_deg:
            return self._pixels
        angle = np.radians(roll_deg) * self._roll_share
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (self._pixels - self._assets.pivot).transpose(2, 0, 1)
        return np.dstack((cos * x + sin * y, cos * y - sin * x)).astype(np.float32) + self._assets.pivot

    def _look_up(self, field: Float32, pixels: Float32) -> Float32:
        """A field at other pixels than the lattice's own."""
        corner = np.array([self._assets.left, self._assets.top], np.float32)
        places = ((pixels - corner - (STEP_PX - 1) / 2) / STEP_PX).astype(np.float32)
        # OpenCV looks up four channels at once at most.
        parts = [
            cv2.remap(
                np.ascontiguousarray(field[:, :, k : k + 4]), places, None, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for k in range(0, field.shape[2], 4)
        ]  # fmt: skip
        return np.dstack(parts)


def corners(rows: Float32, row_value: float, columns: Float32, column_value: float) -> dict[tuple[int, int], float]:
    """The corners of the triangle of a grid that a point lies in.

    Args:
        rows: rising values of the grid.
        row_value: of the point, inside the grid.
        columns: rising values of the grid.
        column_value: of the point, inside the grid.

    Returns:
        Their shares by row and column, which make up one.
    """
    row, down = _locate(rows, row_value)
    column, across = _locate(columns, column_value)
    shares = {(row, column + 1): across, (row + 1, column): down, (row, column): 1 - down - across}
    if down + across > 1:
        shares = {(row, column + 1): 1 - down, (row + 1, column): 1 - across, (row + 1, column + 1): down + across - 1}
    return shares


def _drawn(shares: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """The corners whose pictures are drawn: one to three, which never come or go at once."""
    counting = {node: share - SHARE_FLOOR for node, share in shares.items() if share > SHARE_FLOOR}
    return {node: share / sum(counting.values()) for node, share in counting.items()}


def _locate(values: Float32, value: float) -> tuple[int, float]:
    """The interval of rising values that a value lies in, and how far in, 0..1."""
    k = int(np.clip(np.searchsorted(values, value) - 1, 0, len(values) - 2))
    return k, float(np.clip((value - values[k]) / (values[k + 1] - values[k]), 0, 1))


def _brow_shift(rest: Float32, brow: float) -> Float32 | float:
    """(h, w, 2) by which sources are looked up further down, so that raised brows go up."""
    if not brow:
        return 0.0
    bump = sum(
        np.exp(-(((rest[:, :, 0] - x) / BROW_RADII[0]) ** 2) - ((rest[:, :, 1] - y) / BROW_RADII[1]) ** 2)
        for x, y in BROWS
    )
    return np.dstack((np.zeros_like(bump), BROW_PX * brow * np.asarray(bump))).astype(np.float32)
