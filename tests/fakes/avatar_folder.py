"""A small avatar on disk: a disc that sways, with a face that is a ramp of greys."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE_PX = 128
CROP_PX = 64
N_IDLE = 4


def write_avatar(root: Path, avatar_id: str = "disc") -> Path:
    """Write `root/avatars/<id>`; picture k is shifted by k pixels and lighter by 4 k."""
    folder = root / "avatars" / avatar_id
    (folder / "idle").mkdir(parents=True)
    crops = []
    for k in range(N_IDLE):
        colours, alpha = idle_picture(k)
        cv2.imwrite(str(folder / f"idle/{k}.jpg"), colours, [cv2.IMWRITE_JPEG_QUALITY, 100])
        cv2.imwrite(str(folder / f"idle/{k}.png"), alpha)
        crops.append([[1, 0, 32 + k], [0, 1, 32]])
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    mask[34:62, 12:52] = 255
    cv2.imwrite(str(folder / "mask.png"), cv2.GaussianBlur(mask, (0, 0), 2))
    cv2.imwrite(str(folder / "reference.png"), idle_picture(0)[0][32:96, 32:96])
    (folder / "avatar.json").write_text(json.dumps(description(avatar_id, crops)), encoding="utf-8")
    return folder


def idle_picture(k: int) -> tuple[np.ndarray, np.ndarray]:
    """(128, 128, 3) BGR and (128, 128) alpha."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    grey = np.clip(60 + (x - k) * 0.5 + 4 * k, 0, 255).astype(np.uint8)
    alpha = np.clip((56 - np.hypot(x - 64 - k, y - 64)) * 128, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2), alpha


def description(avatar_id: str, crops: list) -> dict:
    return {
        "schema": 1,
        "id": avatar_id,
        "title": "Disc",
        "licence": "Apache-2.0",
        "credit": "",
        "size_px": SIZE_PX,
        "idle_fps": 25,
        "idle_files": [f"idle/{k}.jpg" for k in range(N_IDLE)],
        "alpha_files": [f"idle/{k}.png" for k in range(N_IDLE)],
        "crop_px": CROP_PX,
        "crop_to_portrait": crops,
        "mask_file": "mask.png",
        "reference_file": "reference.png",
        "models": ["fake"],
    }
