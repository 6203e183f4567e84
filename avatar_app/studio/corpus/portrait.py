"""Renders the idle loop, the grid of head poses and the head's geometry: what an avatar needs besides clips."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.corpus.renderer import PARAM_NAMES, Kit, rendered, write_params

IDLE_S = 12.0
FPS = 25
# Steps of the grid, in the parameters' unit: 15 of 25 degrees of yaw, 9 of 18 of pitch, to both sides.
YAWS = np.linspace(-0.6, 0.6, 13, dtype=np.float32)
PITCHES = np.linspace(-0.5, 0.5, 7, dtype=np.float32)
LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]


def build_portrait(nova: Path, kit: Kit) -> None:
    """Write `idle/`, `pose_grid/` and `rig.npz` of an avatar's data folder; complete ones are kept.

    Raises:
        StudioError: the renderer failed, or the folder cannot be written.
    """
    try:
        nova.mkdir(parents=True, exist_ok=True)
        if not (nova / "rig.npz").is_file():
            kit.write_rig(nova / "rig.npz")
        _idle(nova / "idle", kit)
        _grid(nova / "pose_grid", kit)
    except OSError as error:
        raise StudioError(f"The pictures cannot be written to {nova}: {error}.", "Free some space.") from error


def _idle(folder: Path, kit: Kit) -> None:
    folder.mkdir(exist_ok=True)
    table = folder / "idle.csv"
    kit.write_idle(table, IDLE_S)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    table.unlink()
    names = [name for name in rows[0] if name in PARAM_NAMES]
    columns = {name: np.array([float(row[name]) for row in rows], np.float32) for name in names}
    write_params(folder / "params.npz", columns, len(rows))
    _render(folder, len(rows), kit)


def _grid(folder: Path, kit: Kit) -> None:
    folder.mkdir(exist_ok=True)
    pitch, yaw = (axis.ravel() for axis in np.meshgrid(PITCHES, YAWS, indexing="ij"))
    columns = {"headYaw": yaw, "headPitch": pitch, "mouthSmile": np.full(len(yaw), 0.1, np.float32)}
    write_params(folder / "params.npz", columns, len(yaw))
    _render(folder, len(yaw), kit)


def _render(folder: Path, n_frames: int, kit: Kit) -> None:
    """PNG pictures with alpha from the renderer, kept as lossless WebP."""
    if all((folder / f"{k:06d}.webp").is_file() for k in range(n_frames)):
        return
    with rendered(kit, folder / "params.npz", n_frames, crop="full", preset="good", is_rgba=True) as pictures:
        for k, picture in enumerate(pictures):
            if not cv2.imwrite(str(folder / f"{k:06d}.webp"), picture, LOSSLESS):
                raise StudioError(f"The picture {folder / f'{k:06d}.webp'} cannot be written.", "Free some space.")
