"""`avatar-app studio pose`: build the assets with which an avatar's head turns, from pictures and a 3D model."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.errors import OutputError, StudioError
from avatar_app.live.frame.pose_assets import N_CHANNELS, POSE_SCHEMA, STEP_PX, PoseAssets, node_name
from avatar_app.progress import ProgressBar
from avatar_app.studio.enrol.pose_correspondence import Correspondence, Crop, inverted
from avatar_app.studio.enrol.pose_eyes import eye_arrays, eyeball_px, iris_px, irises_at_rest, read_blink
from avatar_app.studio.enrol.pose_flow import on_lattice, velocities
from avatar_app.studio.enrol.pose_grid import PITCH_DEG, ROLL_DEG, YAW_DEG, PoseGrid, read_grid
from avatar_app.studio.enrol.pose_light import light_and_visibility
from avatar_app.studio.enrol.pose_quality import held_out_db
from avatar_app.studio.enrol.pose_rig import Camera, Rig, Surface, read_rig
from avatar_app.studio.enrol.rendered import CROP_LEFT_PX, CROP_TOP_PX
from avatar_app.studio.enrol.rendered import SIZE_PX as CROP_OF_PX

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

CROP_PX = 256
JPEG_QUALITY = 93
# The turning part, in pixels of the portrait; outside it the pictures of a grid differ only by noise.
PART_TOP, PART_BOTTOM, PART_LEFT, PART_RIGHT = 48, 464, 88, 424
# Mean head weight of the skin in a row at the top of the neck and at the top of the chest.
HEAD_SHARE, CHEST_SHARE = 0.75, 0.15
# Pose parameters of the rig in the order of `IDLE_NAMES`, and their degrees at 1.
IDLE_PARAMS = (
    ("headYaw", YAW_DEG), ("headPitch", PITCH_DEG), ("headRoll", ROLL_DEG), ("eyeYaw", 25.0), ("eyePitch", 18.0),
    ("blink", 1.0), ("browUp", 1.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sources:
    """Paths of the pictures and the geometry."""

    grid: Path
    rig: Path
    idle: Path


def build(sources: Sources, out: Path) -> None:
    """Build the folder `out`; an older one is replaced when the new one is complete.

    Raises:
        StudioError: pictures or geometry cannot be used.
        OutputError: the folder cannot be written.
    """
    grid, rig = read_grid(sources.grid), read_rig(sources.rig)
    build_from(grid, rig, Camera(), sources.idle, out)


def build_from(grid: PoseGrid, rig: Rig, camera: Camera, idle: Path, out: Path) -> None:
    """As `build`, from data in memory."""
    if grid.size_px != CROP_OF_PX:
        raise StudioError(f"The pose pictures are {grid.size_px} px wide, not {CROP_OF_PX}.", "Render them again.")
    corner = np.array([CROP_LEFT_PX, CROP_TOP_PX], np.float32)
    crop = Crop(CROP_LEFT_PX, CROP_TOP_PX, CROP_PX, irises_at_rest(rig, camera) - corner)
    files, poses = _idle(idle)
    rest = crop.cut(np.ascontiguousarray(grid.pictures[grid.middle][:, :, :3]))
    blink = read_blink(rest, files, poses[:, 5], np.abs(poses[:, :3]).sum(axis=1), crop)
    fields = _fields(grid, Surface(rig, camera, grid.size_px), crop)
    rows = _head_rows(rig, camera, grid)
    try:
        with replacing_folder(out) as folder:
            (folder / "grid").mkdir()
            _write_pictures(grid, folder)
            np.savez_compressed(folder / "fields.npz", fields=fields.astype(np.float16), idle=poses, head_rows=rows)
            np.savez_compressed(folder / "eyes.npz", **eye_arrays(blink, rig, camera, crop))  # type: ignore[arg-type]
            text = json.dumps(_description(grid, rig, camera, crop), indent=1)
            (folder / "pose.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The pose folder {out} cannot be written: {error}.", "Choose another --out.") from error


def _idle(folder: Path) -> tuple[list[Path], Float32]:
    """Idle pictures and their poses, (n, 7) in the order of `IDLE_NAMES`."""
    files = sorted(folder.glob("*.webp"))
    try:
        with np.load(folder / "params.npz") as data:
            names = [str(name) for name in data["names"]]
            poses = np.stack([data["params"][:, names.index(name)] * scale for name, scale in IDLE_PARAMS], axis=1)
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The poses of the idle pictures cannot be read: {error}.", "Get them again.") from error
    if not files or len(files) != len(poses):
        raise StudioError(f"{folder} contains {len(files)} idle pictures and {len(poses)} poses.", "Get them again.")
    return files, poses.astype(np.float32)


def _fields(grid: PoseGrid, surface: Surface, crop: Crop) -> Float32:
    """(n_pitches, n_yaws, h, w, 10) float32, as `PoseAssets.fields`."""
    progress = ProgressBar()
    progress.start(2 * len(grid.yaws) * len(grid.pitches), len(grid.yaws))
    motion = velocities(grid, progress.advance)
    fields = np.zeros((*motion.shape[:2], *_lattice().shape[:2], N_CHANNELS), np.float32)
    correspondence = Correspondence(grid, surface, crop)
    rest = crop.cut(np.ascontiguousarray(grid.pictures[grid.middle][:, :, :3]))
    for row in range(len(grid.pitches)):
        for column in range(len(grid.yaws)):
            part = motion[row, column, PART_TOP:PART_BOTTOM, PART_LEFT:PART_RIGHT]
            positions = correspondence.positions(row, column)
            fields[row, column, :, :, :4] = on_lattice(part)
            fields[row, column, :, :, 4:] = _face(grid.pictures[row, column], rest, positions, crop)
            progress.advance()
    log.info("flow and correspondence of %d pictures in %.0f s", motion.shape[0] * motion.shape[1], progress.end())
    return fields


def _face(picture: UInt8, rest: UInt8, positions: Float32, crop: Crop) -> Float32:
    """(h, w, 6): offset to the face at rest, change of light, and visibility on the lattice."""
    pixels = _lattice()
    turned = cv2.remap(np.ascontiguousarray(picture[:, :, :3]), positions, None, cv2.INTER_LINEAR)
    light, visibility = light_and_visibility(rest, turned, crop)
    offsets = inverted(positions, visibility, crop, (PART_LEFT, PART_TOP), pixels.shape[:2])
    found = pixels + offsets - np.array([crop.left, crop.top], np.float32)
    light = cv2.remap(light, found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    visibility = cv2.remap(visibility, found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.dstack((offsets, light, visibility))


def _lattice() -> Float32:
    """(h, w, 2) x, y of the lattice points in the portrait."""
    middle = (STEP_PX - 1) / 2
    across = np.arange(PART_LEFT, PART_RIGHT, STEP_PX) + middle
    return np.dstack(np.meshgrid(across, np.arange(PART_TOP, PART_BOTTOM, STEP_PX) + middle)).astype(np.float32)


def _head_rows(rig: Rig, camera: Camera, grid: PoseGrid) -> Float32:
    """Share of the head's roll for each row of lattice points: 1 above the chin, decreasing to 0 along the neck."""
    is_skin = rig.is_of("skin")
    y, weight = camera.project(rig.neutral[is_skin])[:, 1], rig.head_weight[is_skin]
    rows = np.arange(grid.size_px // STEP_PX) * STEP_PX + (STEP_PX - 1) / 2
    near = np.exp(-(((y[None] - rows[:, None]) / 12) ** 2)) + 1e-9
    share = (near * weight).sum(axis=1) / near.sum(axis=1)
    chin, chest = rows[(share > HEAD_SHARE) | (rows < y.min())].max(), rows[share > CHEST_SHARE].max()
    along = np.clip((chest - rows) / (chest - chin), 0, 1)
    return np.asarray(along * along * (3 - 2 * along), np.float32)


def _write_pictures(grid: PoseGrid, out: Path) -> None:
    for row in range(len(grid.pitches)):
        for column in range(len(grid.yaws)):
            part = grid.pictures[row, column, PART_TOP:PART_BOTTOM, PART_LEFT:PART_RIGHT]
            _write(out / "grid" / node_name(row, column), part)
    _write(out / "body", grid.pictures[grid.middle])


def _write(stem: Path, picture: UInt8) -> None:
    colours, alpha = np.ascontiguousarray(picture[:, :, :3]), np.ascontiguousarray(picture[:, :, 3])
    did_write = cv2.imwrite(f"{stem}.jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not did_write or not cv2.imwrite(f"{stem}.png", alpha, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise OutputError(f"The picture {stem}.jpg cannot be written.", "Free some space, or choose another --out.")


def _description(grid: PoseGrid, rig: Rig, camera: Camera, crop: Crop) -> dict[str, Any]:
    return {
        "schema": POSE_SCHEMA,
        "size_px": grid.size_px,
        "yaws_deg": [round(float(yaw), 3) for yaw in grid.yaws],
        "pitches_deg": [round(float(pitch), 3) for pitch in grid.pitches],
        "top_px": PART_TOP,
        "left_px": PART_LEFT,
        "crop_px": [crop.left, crop.top],
        "pivot_px": [round(float(v), 2) for v in camera.project(rig.pivot)],
        "px_per_deg": round(float(np.radians(1) * eyeball_px(rig, camera)), 4),
        "iris_px": round(iris_px(rig, camera), 2),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio pose`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio pose", description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="folder with the pose pictures and params.npz")
    parser.add_argument("--rig", type=Path, required=True, help="rig.npz, the geometry of the head")
    parser.add_argument("--idle", type=Path, required=True, help="folder with idle pictures that blink, params.npz")
    parser.add_argument("--avatar", type=Path, required=True, help="avatar folder; receives the folder pose/")
    arguments = parser.parse_args(argv)
    if not (arguments.avatar / "avatar.json").is_file():
        raise StudioError(f"{arguments.avatar} is not an avatar folder.", "Choose one with --avatar.")
    build(Sources(arguments.grid, arguments.rig, arguments.idle), arguments.avatar / "pose")
    found = held_out_db(PoseAssets.load(arguments.avatar / "pose"))
    log.info("PSNR of left-out pictures: median %.1f dB, minimum %.1f dB", np.median(found), found.min())
    return 0
