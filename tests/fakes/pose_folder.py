"""The smallest pose grid that can be loaded: two by two grey pictures."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE_PX, PART_PX = 64, 16
POSE = {
    "schema": 1, "size_px": SIZE_PX, "yaws_deg": [-5.0, 5.0], "pitches_deg": [-3.0, 3.0], "top_px": 8, "left_px": 16,
    "crop_px": [10, 12], "pivot_px": [31.5, 40.0], "px_per_deg": 0.4, "iris_px": 4.0,
}  # fmt: skip


def write_poses(folder: Path) -> Path:
    """Write `pose.json`, the grid and the arrays."""
    (folder / "grid").mkdir()
    _write_picture(folder / "body", SIZE_PX)
    for row in range(2):
        for column in range(2):
            _write_picture(folder / "grid" / f"{row:02d}-{column:02d}", PART_PX)
    lattice = PART_PX // 8
    np.savez(
        folder / "fields.npz",
        fields=np.zeros((2, 2, lattice, lattice, 10), np.float16),
        idle=np.zeros((4, 7), np.float32),
        head_rows=np.zeros(SIZE_PX // 8, np.float32),
    )
    np.savez(
        folder / "eyes.npz",
        corners=np.zeros((2, 2), np.float32),
        irises=np.zeros((2, 2), np.float32),
        lids=np.zeros((2, 3, 4, 6, 3), np.uint8),
        openings=np.zeros((2, 3, 4, 6), np.uint8),
        eyeballs=np.zeros((2, 4, 6, 3), np.uint8),
        mask=np.zeros((2, 4, 6), np.uint8),
    )
    (folder / "pose.json").write_text(json.dumps(POSE), encoding="utf-8")
    return folder


def _write_picture(stem: Path, side_px: int) -> None:
    cv2.imwrite(f"{stem}.jpg", np.full((side_px, side_px, 3), 90, np.uint8))
    cv2.imwrite(f"{stem}.png", np.full((side_px, side_px), 255, np.uint8))
