"""How well poses between the pictures are drawn: every second row and column is left out, and drawn from the others."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.live.frame.pose_assets import STEP_PX, PoseAssets
from avatar_app.live.frame.pose_field import PoseField
from avatar_app.live.frame.pose_head import Head
from avatar_app.studio.enrol.pose_flow import on_lattice, velocities
from avatar_app.studio.enrol.pose_grid import GREY, Grid

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Below it are neck and shoulders, which hardly move and would flatter the figure.
HEAD_BOTTOM_PX = 400


def held_out_db(assets: PoseAssets) -> Float64:
    """(n,) PSNR over the head of every picture that was left out; flow is made anew without them."""
    halved = without_every_second(assets)
    field, head = PoseField(halved), Head(halved)
    found = []
    for row, pitch in enumerate(assets.pitches):
        for column, yaw in enumerate(assets.yaws):
            if row % 2 or column % 2:
                drawn = head.render(field.at(AvatarPose(yaw_deg=float(yaw), pitch_deg=float(pitch))))
                found.append(head_psnr_db(drawn, assets.nodes[row, column], HEAD_BOTTOM_PX - assets.top))
    return np.array(found)


def without_every_second(assets: PoseAssets) -> PoseAssets:
    """The same poses from fewer pictures."""
    yaws, pitches, nodes = assets.yaws[::2], assets.pitches[::2], assets.nodes[::2, ::2]
    fields = assets.fields[::2, ::2].copy()
    motion = velocities(Grid(yaws, pitches, nodes), lambda: None)
    for row in range(len(pitches)):
        for column in range(len(yaws)):
            fields[row, column, :, :, :4] = on_lattice(motion[row, column])
    return replace(assets, yaws=yaws, pitches=pitches, nodes=nodes, fields=fields)


def head_psnr_db(drawn: UInt8, true: UInt8, n_rows: int = STEP_PX * 45) -> float:
    """Likeness of two (h, w, 4) BGRA heads before grey, where either shows anything, in the upper rows."""
    pictures = []
    for picture in (drawn[:n_rows], true[:n_rows]):
        alpha = picture[:, :, 3:].astype(np.float64) / 255
        pictures.append(picture[:, :, :3] * alpha + GREY * (1 - alpha))
    shows = (drawn[:n_rows, :, 3] > 0) | (true[:n_rows, :, 3] > 0)
    error = float(np.mean((pictures[0] - pictures[1])[shows] ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))
