"""The warp of a posed head: where each pixel comes from in the pictures of the pose grid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.packets import Float32
from avatar_app.live.frame.pose_assets import LIGHT, PITCH, REST, STEP_PX, TRUST, YAW, PoseAssets
from avatar_app.live.frame.pose_breath import lift_share

# Brows in the crop at rest, and their motion: pixels.
BROWS = ((70.0, 82.0), (188.0, 82.0))
BROW_RADII = (40.0, 15.0)
BROW_PX = 4.0
# Corners of the triangle with a smaller share are not rendered: all pictures are warped to the same place, so fewer are
# enough, which is faster and sharper. One pose in thirty needs all three.
SHARE_FLOOR = 0.27


@dataclass(frozen=True)
class Source:
    """One picture of the grid in the mix of a posed head.

    Attributes:
        row, column: of the grid.
        share: 0..1, weight in the mix.
        shift: (h, w, 2) float32, offset from each lattice point to its source in the picture, right and down.
    """

    row: int
    column: int
    share: float
    shift: Float32


@dataclass(frozen=True)
class PosedField:
    """A pose on the lattice; all arrays (h, w, ...) float32.

    Attributes:
        sources: the pictures to mix.
        rest: x, y in the crop at rest.
        light: added to colours of the face at rest.
        trust: 0..1, whether the face at rest is visible here.
    """

    sources: tuple[Source, ...]
    rest: Float32
    light: Float32
    trust: Float32


class PoseField:
    """Interpolates the warp for any pose within the grid.

    Each picture of the grid has a field of velocities per degree. Between pictures the velocities are interpolated, and
    each picture is warped along them to the target pose, so that all coincide there.
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
        """The field of a pose, with the lift of a breath; a pose outside the grid is clipped to its edge."""
        assets = self._assets
        yaw = float(np.clip(pose.yaw_deg, assets.yaws[0], assets.yaws[-1]))
        pitch = float(np.clip(pose.pitch_deg, assets.pitches[0], assets.pitches[-1]))
        shares = corners(assets.pitches, pitch, assets.yaws, yaw)
        field = np.zeros_like(assets.fields[0, 0])
        for node, share in shares.items():
            field += np.float32(share) * assets.fields[node]
        upright = self._upright(pose.roll_deg) + lift_px * self._lift
        if pose.roll_deg or lift_px:
            field = self._resample(field, upright)
        rest = field[:, :, REST] + upright - assets.corner
        start = upright - self._pixels + _brow_shift(rest, pose.brow)
        sources = []
        for (row, column), share in _used(shares).items():
            along_yaw, along_pitch = assets.yaws[column] - yaw, assets.pitches[row] - pitch
            shift = start + along_yaw * field[:, :, YAW] + along_pitch * field[:, :, PITCH]
            sources.append(Source(row, column, share, shift.astype(np.float32)))
        return PosedField(tuple(sources), rest, np.ascontiguousarray(field[:, :, LIGHT]), field[:, :, TRUST][:, :, 0])

    def _upright(self, roll_deg: float) -> Float32:
        """The lattice's points in the upright portrait; a positive roll is clockwise, the shoulders stay."""
        if not roll_deg:
            return self._pixels
        angle = np.radians(roll_deg) * self._roll_share
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (self._pixels - self._assets.pivot).transpose(2, 0, 1)
        return np.dstack((cos * x + sin * y, cos * y - sin * x)).astype(np.float32) + self._assets.pivot

    def _resample(self, field: Float32, pixels: Float32) -> Float32:
        """Sample a field at other pixels than the lattice's own."""
        corner = np.array([self._assets.left, self._assets.top], np.float32)
        places = ((pixels - corner - (STEP_PX - 1) / 2) / STEP_PX).astype(np.float32)
        # OpenCV remaps at most four channels in one call.
        parts = [
            cv2.remap(
                np.ascontiguousarray(field[:, :, k : k + 4]), places, None, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for k in range(0, field.shape[2], 4)
        ]  # fmt: skip
        return np.dstack(parts)


def corners(rows: Float32, row_value: float, columns: Float32, column_value: float) -> dict[tuple[int, int], float]:
    """Barycentric coordinates of a point in the triangle of a grid that contains it.

    Args:
        rows: ascending values of the grid.
        row_value: of the point, inside the grid.
        columns: ascending values of the grid.
        column_value: of the point, inside the grid.

    Returns:
        The shares of the corners by row and column; their sum is 1.
    """
    row, down = _locate(rows, row_value)
    column, across = _locate(columns, column_value)
    shares = {(row, column + 1): across, (row + 1, column): down, (row, column): 1 - down - across}
    if down + across > 1:
        shares = {(row, column + 1): 1 - down, (row + 1, column): 1 - across, (row + 1, column + 1): down + across - 1}
    return shares


def _used(shares: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """The corners whose pictures are rendered, one to three; their shares change continuously with the pose."""
    counting = {node: share - SHARE_FLOOR for node, share in shares.items() if share > SHARE_FLOOR}
    return {node: share / sum(counting.values()) for node, share in counting.items()}


def _locate(values: Float32, value: float) -> tuple[int, float]:
    """The interval of ascending values that contains a value, and the position in it, 0..1."""
    k = int(np.clip(np.searchsorted(values, value) - 1, 0, len(values) - 2))
    return k, float(np.clip((value - values[k]) / (values[k + 1] - values[k]), 0, 1))


def _brow_shift(rest: Float32, brow: float) -> Float32 | float:
    """(h, w, 2) offset of the source, downwards where raised brows move up."""
    if not brow:
        return 0.0
    bump = sum(
        np.exp(-(((rest[:, :, 0] - x) / BROW_RADII[0]) ** 2) - ((rest[:, :, 1] - y) / BROW_RADII[1]) ** 2)
        for x, y in BROWS
    )
    return np.dstack((np.zeros_like(bump), BROW_PX * brow * np.asarray(bump))).astype(np.float32)
