"""`avatar-app studio avatar`: an avatar folder from rendered idle pictures and clips."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_spec import AVATAR_SCHEMA
from avatar_app.contracts.errors import OutputError, StudioError
from avatar_app.progress import ProgressBar
from avatar_app.studio.data.clips import CROP_PX, FPS, GET_THE_DATA, rest_picture, still_clips
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.registration import crops_of, find_parts, jitter_px, lips_distance_px
from avatar_app.studio.enrol.spread import spread_colours

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SIZE_PX = 512
# The clips show this square of the portrait.
CROP_LEFT_PX, CROP_TOP_PX = 128, 116
POSE = ("headYaw", "headPitch", "headRoll")
JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class About:
    """What the folder says of the avatar."""

    id: str
    title: str
    licence: str
    credit: str
    models: tuple[str, ...]


def build(nova: Path, out: Path, about: About) -> dict[str, float]:
    """Build `out` anew; what was there is replaced only when all went well.

    Returns:
        Quality of the registration, in pixels.

    Raises:
        StudioError: idle pictures or clips cannot be used.
        OutputError: `out` cannot be written.
    """
    rest = rest_picture([clip for clip in still_clips(nova) if clip.is_train])
    files, pose = idle_pictures(nova / "idle")
    unfinished = out.with_name(out.name + ".unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "idle").mkdir(parents=True)
        places = _write_idle(files, rest, unfinished / "idle")
        crops = crops_of(places, pose)
        cv2.imwrite(str(unfinished / "reference.png"), rest)
        cv2.imwrite(str(unfinished / "mask.png"), mouth_mask(CROP_PX))
        description = _description(about, crops)
        (unfinished / "avatar.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        unfinished.rename(out)
    except OSError as error:
        raise OutputError(f"The avatar folder {out} cannot be written: {error}.", "Choose another --out.") from error
    distance = lips_distance_px(crops, places)
    return {"fit_px": float(np.median(distance)), "fit_worst_px": float(distance.max()), "jitter_px": jitter_px(crops)}


def idle_pictures(folder: Path) -> tuple[list[Path], Float32]:
    """Idle pictures in order and the head's pose in each, (n, 3) float32.

    Raises:
        StudioError: the folder lacks them.
    """
    files = sorted(folder.glob("*.webp"))
    try:
        with np.load(folder / "params.npz") as data:
            names = [str(name) for name in data["names"]]
            pose = data["params"][:, [names.index(name) for name in POSE]].astype(np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The poses of the idle pictures cannot be read: {error}.", GET_THE_DATA) from error
    if not files or len(files) != len(pose):
        raise StudioError(f"{folder} holds {len(files)} idle pictures and {len(pose)} poses.", GET_THE_DATA)
    return files, pose


def _write_idle(files: Sequence[Path], rest: UInt8, out: Path) -> Float64:
    """Write every idle picture as the live path reads it; where the face's parts lie in each, (n, n_parts, 2)."""
    places = []
    progress = ProgressBar()
    progress.start(len(files), FPS)
    for file in files:
        picture = _read(file)
        colours, alpha = np.ascontiguousarray(picture[:, :, :3]), np.ascontiguousarray(picture[:, :, 3])
        places.append(find_parts(rest, colours, (CROP_LEFT_PX, CROP_TOP_PX)))
        _write(out / f"{file.stem}.jpg", spread_colours(colours, alpha), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        _write(out / f"{file.stem}.png", alpha, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        progress.advance()
    progress.end()
    return np.stack(places)


def _read(file: Path) -> UInt8:
    picture: UInt8 | None = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape != (SIZE_PX, SIZE_PX, 4):
        what = "cannot be read" if picture is None else f"is {picture.shape}, not {(SIZE_PX, SIZE_PX, 4)}"
        raise StudioError(f"The idle picture {file} {what}.", GET_THE_DATA)
    return picture


def _write(path: Path, picture: UInt8, options: list[int]) -> None:
    if not cv2.imwrite(str(path), picture, options):
        raise OutputError(f"The picture {path} cannot be written.", "Free some space, or choose another --out.")


def _description(about: About, crops: Float32) -> dict[str, Any]:
    numbers = [f"{k:06d}" for k in range(len(crops))]
    return {
        "schema": AVATAR_SCHEMA,
        "id": about.id,
        "title": about.title,
        "licence": about.licence,
        "credit": about.credit,
        "size_px": SIZE_PX,
        "idle_fps": FPS,
        "idle_files": [f"idle/{number}.jpg" for number in numbers],
        "alpha_files": [f"idle/{number}.png" for number in numbers],
        "crop_px": CROP_PX,
        "crop_to_portrait": [[[round(float(v), 5) for v in row] for row in crop] for crop in crops],
        "mask_file": "mask.png",
        "reference_file": "reference.png",
        "models": list(about.models),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio avatar`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio avatar", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds nova/")
    parser.add_argument("--out", type=Path, required=True, help="avatar folder; its name is the avatar's id")
    parser.add_argument("--title", default="Nova")
    parser.add_argument("--licence", default="Apache-2.0")
    parser.add_argument("--credit", default="A rendered person. Geometry and morphs: CC0 assets of MakeHuman.")
    parser.add_argument(
        "--models", nargs="+", default=["nova-hd", "nova-96"], help="students that draw her, best first"
    )
    arguments = parser.parse_args(argv)
    about = About(arguments.out.name, arguments.title, arguments.licence, arguments.credit, tuple(arguments.models))
    quality = build(arguments.data / "nova", arguments.out, about)
    log.info("%s: %s", arguments.out, ", ".join(f"{name} {value:.2f}" for name, value in quality.items()))
    return 0
