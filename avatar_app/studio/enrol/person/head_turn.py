"""What a person's head needs to follow a webcam: `pose/` in the avatar folder, see `live.frame.pose_assets`.

The pictures of turned heads are the portrait at rest, moved along the surface of the face. The range is that of the
video, because what the head looks like beyond it is unknown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.pose_assets import N_CHANNELS, POSE_SCHEMA, REST, STEP_PX, TRUST, node_name
from avatar_app.live.webcam.face import LEFT, RIGHT
from avatar_app.studio.data.clips import CROP_PX
from avatar_app.studio.enrol.person.alignment import Neutral
from avatar_app.studio.enrol.person.head_surface import CHIN, HeadSurface
from avatar_app.studio.enrol.person.idle_loop import IdleLoop
from avatar_app.studio.enrol.person.idle_plan import joins_of
from avatar_app.studio.enrol.person.idle_sources import Material
from avatar_app.studio.enrol.pose_eyes import HEIGHT_PX, IRIS, WIDTH_PX, Blink, lid_steps
from avatar_app.studio.enrol.spread import spread_colours

Float64 = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

JPEG_QUALITY = 93
# Range of the grid: what most pictures of the video show, and limits.
RANGE_PERCENTILE = 98.0
# Free space above the head, and beside it for its roll, as shares of the portrait's side.
ABOVE_RATIO, BESIDE_RATIO = 0.05, 0.13
MIN_YAW_DEG, MAX_YAW_DEG, MIN_PITCH_DEG, MAX_PITCH_DEG = 4.0, 12.0, 3.0, 7.0
N_YAWS, N_PITCHES = 5, 3
# The opening of the eyes at which they are closed, as a share of the usual one; lids vary by this much without a blink.
CLOSED_RATIO, OPEN_RATIO = 0.35, 0.85
N_LEVELS = 6
# Rows and columns of the crop around both eyes.
AROUND_EYES = (slice(70, 150), slice(60, 196))
# The feathered mask of an eye in the crop, as shares of the distance of the irises.
EYE_RADII = (0.46, 0.25)
FULL_WITHIN = 0.6
# Not used for eyes that do not move, but the file needs them.
IRIS_PX, PX_PER_DEG = 8.0, 0.4


@dataclass(frozen=True)
class _Rest:
    """The picture of the loop that is turned.

    Attributes:
        picture: (size, size, 4) uint8 BGRA.
        crop: (2, 3) float64, from the face crop to it.
    """

    picture: UInt8
    crop: Float64


def write_head_turn(folder: Path, loop: IdleLoop, material: Material, neutral: Neutral) -> bool:
    """Write `pose/` into an avatar folder.

    Args:
        folder: of the avatar, as `write_avatar` wrote it.
        loop: its idle loop, with the background removed.
        material: takes and their face crops.
        neutral: the person's face at rest.

    Returns:
        Whether the head can be turned; False if the shoulders are not beside it, as the renderer needs.

    Raises:
        OutputError: the folder cannot be written.
    """
    pose_deg = loop.mixed([crops.pose_deg for _, crops in material])
    closed = _closed(loop, material)
    number = int(np.argmin(np.abs(pose_deg).sum(axis=1) + 10 * closed + 100 * joins_of(loop.steps)))
    rest = _Rest(loop.first(number), loop.crop_to_portrait[number].astype(np.float64))
    marks = _in_portrait(neutral, rest.crop)
    columns = _columns(rest.picture, float(marks[CHIN, 1]))
    beside = np.flatnonzero(_beside(rest.picture, columns))
    if not len(beside):
        return False
    surface = HeadSurface(marks, len(rest.picture), float(beside[0]))
    part = _part(rest.picture, surface, columns)
    yaws, pitches = _ranges(material)
    rows = surface.neck_share(np.arange(surface.size_px // STEP_PX) * STEP_PX + (STEP_PX - 1) / 2)
    idle = np.column_stack((pose_deg, np.zeros((len(loop), 2)), closed, np.zeros(len(loop))))
    fields, nodes = _grid(rest, surface, part, yaws, pitches)
    about = _description(surface, rest, part, yaws, pitches)
    moves: Arrays = {
        "fields": fields.astype(np.float16),
        "idle": idle.astype(np.float32),
        "head_rows": rows.astype(np.float32),
    }
    arrays = {"fields": moves, "eyes": _eyes(rest, material, neutral)}
    _write(folder / "pose", rest.picture, nodes, arrays, about)
    return True


def _in_portrait(neutral: Neutral, crop: Float64) -> Float64:
    """(478, 3) landmarks at rest in the portrait."""
    marks = neutral.landmarks_px.astype(np.float64)
    scale = float(np.sqrt(np.linalg.det(crop[:, :2])))
    return np.column_stack((marks[:, :2] @ crop[:, :2].T + crop[:, 2], marks[:, 2] * scale))


def _closed(loop: IdleLoop, material: Material) -> Float64:
    """(n,) how far the eyes are closed in each picture of the loop, 0..1."""
    openings = [_opening_px(crops.landmarks_px) for _, crops in material]
    usual = float(np.nanmedian(np.concatenate(openings)))
    opening = loop.mixed([part[:, None] for part in openings])[:, 0] / max(usual, 1e-6)
    return np.asarray(np.clip((OPEN_RATIO - opening) / (OPEN_RATIO - CLOSED_RATIO), 0, 1), np.float64)


def _opening_px(landmarks_px: Float32) -> Float64:
    """(n,) distance of the lids, mean of both eyes."""
    gaps = [
        landmarks_px[:, eye.lower_lid, 1].mean(axis=1) - landmarks_px[:, eye.upper_lid, 1].mean(axis=1)
        for eye in (LEFT, RIGHT)
    ]
    return np.asarray(np.mean(gaps, axis=0), np.float64)


def _ranges(material: Material) -> tuple[Float64, Float64]:
    """Yaws and pitches of the grid, in degrees."""
    turn = np.abs(np.concatenate([crops.pose_deg[crops.is_usable] for _, crops in material]))
    yaw, pitch = np.percentile(turn[:, :2], RANGE_PERCENTILE, axis=0)
    yaw, pitch = np.clip(yaw, MIN_YAW_DEG, MAX_YAW_DEG), np.clip(pitch, MIN_PITCH_DEG, MAX_PITCH_DEG)
    return np.linspace(-yaw, yaw, N_YAWS), np.linspace(-pitch, pitch, N_PITCHES)


def _columns(picture: UInt8, chin_px: float) -> slice:
    """Columns of the head with its hair, and some more, in whole lattice steps."""
    head = np.flatnonzero((picture[: max(1, int(chin_px)), :, 3] > 0).any(axis=0))
    spare_px = int(BESIDE_RATIO * len(picture))
    left = max(0, int(head[0]) - spare_px) // STEP_PX * STEP_PX
    right = min(len(picture), int(head[-1]) + spare_px + STEP_PX) // STEP_PX * STEP_PX
    return slice(left, right)


def _beside(picture: UInt8, columns: slice) -> NDArray[np.bool_]:
    """(size,) bool: rows with something beside the head."""
    parts = (picture[:, : columns.start, 3], picture[:, columns.stop :, 3])
    return np.asarray(np.concatenate(parts, axis=1).any(axis=1), np.bool_)


def _part(picture: UInt8, surface: HeadSurface, columns: slice) -> tuple[slice, slice]:
    """Rows and columns of the portrait that turn, in whole lattice steps."""
    first = int(np.flatnonzero((picture[:, :, 3] > 0).any(axis=1))[0])
    low = int(min(len(picture), surface.chin_px + 0.5 * surface.height_px)) // STEP_PX * STEP_PX
    return slice(max(0, first - int(ABOVE_RATIO * len(picture))) // STEP_PX * STEP_PX, low), columns


def _grid(
    rest: _Rest, surface: HeadSurface, part: tuple[slice, slice], yaws: Float64, pitches: Float64
) -> tuple[Float32, list[list[UInt8]]]:
    """Fields (n_pitches, n_yaws, h, w, 10), and the pictures of turned heads."""
    spread = spread_colours(np.ascontiguousarray(rest.picture[:, :, :3]), rest.picture[:, :, 3])
    body = np.dstack((spread, rest.picture[:, :, 3]))
    lattice, pixels = _points(part, STEP_PX), _points(part, 1)
    fields = np.zeros((len(pitches), len(yaws), *lattice.shape[:2], N_CHANNELS), np.float32)
    nodes: list[list[UInt8]] = []
    for row, pitch in enumerate(pitches):
        nodes.append([])
        for column, yaw in enumerate(yaws):
            origin = surface.at_rest(lattice, yaw, pitch)
            fields[row, column, :, :, :4] = surface.velocity(origin, yaw, pitch)
            fields[row, column, :, :, REST] = _crop_offset(origin, lattice, rest.crop)
            fields[row, column, :, :, TRUST] = 1
            places = surface.at_rest(pixels, yaw, pitch).astype(np.float32)
            node = cv2.remap(body, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            nodes[-1].append(np.asarray(node, np.uint8))
    return fields, nodes


def _points(part: tuple[slice, slice], step: int) -> Float64:
    """(h, w, 2) x, y of the middles of squares of pixels in the part."""
    rows, columns = part
    down, across = (np.arange(side.start, side.stop, step) + (step - 1) / 2 for side in (rows, columns))
    return np.dstack(np.meshgrid(across, down)).astype(np.float64)


def _crop_offset(origin: Float64, points: Float64, crop: Float64) -> Float64:
    """Offset from a point to its place in the face crop, whose corner the renderer subtracts.

    The renderer's crops have the scale of the portrait. Offsets are free, so that they can hold another scale.
    """
    inverse = cv2.invertAffineTransform(crop)
    in_crop = origin @ inverse[:, :2].T + inverse[:, 2]
    return np.asarray(in_crop + _corner(crop) - points, np.float64)


def _corner(crop: Float64) -> Float64:
    return np.round(crop[:, 2], 2)


def _eyes(rest: _Rest, material: Material, neutral: Neutral) -> Arrays:
    """Pictures of the lids from open to closed, from the blinks of the video; gaze stays as it is."""
    open_face = _face(rest)
    levels, faces = _blink(open_face, material)
    irises = neutral.landmarks_px[[LEFT.iris, RIGHT.iris], :2].astype(np.float64)
    corners = np.rint(irises - IRIS).astype(int)
    lids = np.stack([lid_steps(Blink(levels, faces), corner) for corner in corners])
    mask = _eye_mask(float(np.linalg.norm(irises[1] - irises[0])))
    return {
        "corners": corners.astype(np.float32), "irises": (irises - corners).astype(np.float32), "lids": lids,
        "openings": np.zeros(lids.shape[:4], np.uint8), "eyeballs": lids[:, 0].copy(), "mask": np.stack((mask, mask)),
    }  # fmt: skip


def _blink(open_face: UInt8, material: Material) -> tuple[Float64, UInt8]:
    """Levels from 0 to 1, and face crops (n, 256, 256, 3); the open face alone, twice, without a blink."""
    openings = [_opening_px(crops.landmarks_px) for _, crops in material]
    usual = float(np.nanmedian(np.concatenate(openings)))
    found: list[tuple[float, float, int, int]] = []
    for take, ((_, crops), opening) in enumerate(zip(material, openings, strict=True)):
        level = (OPEN_RATIO - opening / usual) / (OPEN_RATIO - CLOSED_RATIO)
        turn = np.abs(crops.pose_deg).sum(axis=1)
        found += [
            (float(level[k]), float(turn[k]), take, k) for k in np.flatnonzero(crops.is_usable & (level > 0.1)).tolist()
        ]
    closed = [one for one in found if one[0] >= 1]
    if not closed:
        return np.array([0.0, 1.0]), np.stack((open_face, open_face))
    chosen = [min(closed, key=lambda one: one[1])]
    # Of a picture between open and closed, each level once, in the same take if possible.
    for wanted in np.linspace(0, 1, N_LEVELS)[-2:0:-1]:
        near = [one for one in found if abs(one[0] - wanted) < 0.5 / N_LEVELS]
        if near:
            chosen.append(min(near, key=lambda one: (one[2] != chosen[0][2], one[1])))
    chosen.reverse()
    levels = np.array([0.0, *(min(one[0], 1.0) for one in chosen)])
    faces = [_in_light_of(open_face, material[take][1].frames[k]) for _, _, take, k in chosen]
    return levels, np.stack((open_face, *faces))


def _in_light_of(wanted: UInt8, face: UInt8) -> UInt8:
    """A face crop with the light around the eyes of another one."""
    gain = wanted[AROUND_EYES].mean(axis=(0, 1)) / np.maximum(face[AROUND_EYES].mean(axis=(0, 1)), 1)
    return np.asarray(np.rint(np.clip(face * gain, 0, 255)), np.uint8)


def _face(rest: _Rest) -> UInt8:
    """(256, 256, 3): the face crop of the picture at rest."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    colours = np.ascontiguousarray(rest.picture[:, :, :3])
    return np.asarray(cv2.warpAffine(colours, rest.crop, (CROP_PX, CROP_PX), flags=flags), np.uint8)


def _eye_mask(distance_px: float) -> UInt8:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    radii = np.minimum(np.multiply(EYE_RADII, distance_px), (WIDTH_PX / 2 - 2, HEIGHT_PX / 2 - 2))
    radius = np.hypot((x - IRIS[0]) / radii[0], (y - IRIS[1]) / radii[1])
    t = np.clip((1 - radius) / (1 - FULL_WITHIN), 0, 1)
    return np.asarray(np.rint(255 * t * t * (3 - 2 * t)), np.uint8)


def _description(
    surface: HeadSurface, rest: _Rest, part: tuple[slice, slice], yaws: Float64, pitches: Float64
) -> dict[str, Any]:
    return {
        "schema": POSE_SCHEMA,
        "size_px": surface.size_px,
        "yaws_deg": [round(float(yaw), 3) for yaw in yaws],
        "pitches_deg": [round(float(pitch), 3) for pitch in pitches],
        "top_px": part[0].start,
        "left_px": part[1].start,
        "crop_px": [float(v) for v in _corner(rest.crop)],
        "pivot_px": [round(v, 2) for v in surface.pivot_px],
        "px_per_deg": PX_PER_DEG,
        "iris_px": IRIS_PX,
    }


def _write(
    folder: Path,
    body: UInt8,
    nodes: list[list[UInt8]],
    arrays: dict[str, Arrays],
    about: dict[str, Any],
) -> None:
    try:
        (folder / "grid").mkdir(parents=True, exist_ok=True)
        for row, pictures in enumerate(nodes):
            for column, picture in enumerate(pictures):
                _write_picture(folder / "grid" / node_name(row, column), picture)
        _write_picture(folder / "body", body)
        for name, content in arrays.items():
            np.savez_compressed(folder / f"{name}.npz", **content)  # type: ignore[arg-type]
        (folder / "pose.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be written: {error}.", "Free some space.") from error


def _write_picture(stem: Path, picture: UInt8) -> None:
    colours, alpha = np.ascontiguousarray(picture[:, :, :3]), np.ascontiguousarray(picture[:, :, 3])
    # Not imwrite: it takes no paths with letters beyond ASCII on Windows.
    for suffix, plane, options in ((".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]), (".png", alpha, [])):
        stem.with_suffix(suffix).write_bytes(cv2.imencode(suffix, plane, options)[1].tobytes())
