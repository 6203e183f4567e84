"""Quality of poses between the pictures: every second row and column is left out and rendered from the others."""

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
from avatar_app.studio.enrol.pose_grid import GREY, PoseGrid

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Neck and shoulders below hardly move and would raise the PSNR.
HEAD_BOTTOM_PX = 400


def held_out_db(assets: PoseAssets) -> Float64:
    """(n,) PSNR over the head in every left-out picture; the flow is computed without these pictures."""
    halved = without_every_second(assets)
    field, head = PoseField(halved), Head(halved)
    found = []
    for row, pitch in enumerate(assets.pitches):
        for column, yaw in enumerate(assets.yaws):
            if row % 2 or column % 2:
                rendered = head.render(field.at(AvatarPose(yaw_deg=float(yaw), pitch_deg=float(pitch))))
                found.append(head_psnr_db(rendered, assets.nodes[row, column], HEAD_BOTTOM_PX - assets.top))
    return np.array(found)


def without_every_second(assets: PoseAssets) -> PoseAssets:
    """The assets with every second picture in each direction."""
    yaws, pitches, nodes = assets.yaws[::2], assets.pitches[::2], assets.nodes[::2, ::2]
    fields = assets.fields[::2, ::2].copy()
    motion = velocities(PoseGrid(yaws, pitches, nodes), lambda: None)
    for row in range(len(pitches)):
        for column in range(len(yaws)):
            fields[row, column, :, :, :4] = on_lattice(motion[row, column])
    return replace(assets, yaws=yaws, pitches=pitches, nodes=nodes, fields=fields)


def head_psnr_db(rendered: UInt8, expected: UInt8, n_rows: int = STEP_PX * 45) -> float:
    """PSNR of two (h, w, 4) uint8 BGRA heads over grey in the upper rows, where either is opaque."""
    pictures = []
    for picture in (rendered[:n_rows], expected[:n_rows]):
        alpha = picture[:, :, 3:].astype(np.float64) / 255
        pictures.append(picture[:, :, :3] * alpha + GREY * (1 - alpha))
    shows = (rendered[:n_rows, :, 3] > 0) | (expected[:n_rows, :, 3] > 0)
    error = float(np.mean((pictures[0] - pictures[1])[shows] ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))
