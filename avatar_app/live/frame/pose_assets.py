"""The pose grid of an avatar, loaded from `pose/` in its folder; `avatar-app studio pose` makes it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import AvatarError, InputFileError
from avatar_app.contracts.fields import Within, check_fields, problem
from avatar_app.contracts.input_file import read_arrays, read_bytes, read_object
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.picture_file import decode_sized

POSE_SCHEMA = 1
# Pixels between two lattice points.
STEP_PX = 8
# Channels of the fields: pixels per degree of yaw and of pitch, offset to the face at rest, light, visibility.
YAW, PITCH, REST, LIGHT, TRUST = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 9), slice(9, 10)
N_CHANNELS = 10
IDLE_NAMES = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg", "blink", "brow")
# All fields of a grid, unpacked; one picture of it.
MAX_ARRAYS_BYTES = 300_000_000
MAX_PICTURE_BYTES = 20_000_000
MAX_NODES = 400
BUILD_AGAIN = "Build it again with `avatar-app studio pose`, or turn the webcam off."


@dataclass(frozen=True, slots=True)
class PoseSpec:
    """The fields of `pose.json`; see `PoseAssets`.

    Raises:
        ValueError: a field is out of its range.
    """

    size_px: Annotated[int, Within(32, 2048)]
    yaws_deg: Annotated[tuple[float, ...], Within(-90, 90)]
    pitches_deg: Annotated[tuple[float, ...], Within(-90, 90)]
    top_px: Annotated[int, Within(0, 2048)]
    left_px: Annotated[int, Within(0, 2048)]
    crop_px: Annotated[tuple[float, ...], Within(-4096, 4096)]
    pivot_px: Annotated[tuple[float, ...], Within(-4096, 4096)]
    px_per_deg: Annotated[float, Within(0.001, 100)]
    iris_px: Annotated[float, Within(0.1, 500)]

    def __post_init__(self) -> None:
        check_fields(self)
        for angles in (self.yaws_deg, self.pitches_deg):
            if len(angles) < 2 or any(low >= high for low, high in pairwise(angles)):
                raise ValueError("the angles of the grid do not rise")
        if len(self.yaws_deg) * len(self.pitches_deg) > MAX_NODES or len(self.crop_px) != 2 or len(self.pivot_px) != 2:
            raise ValueError("a list has the wrong length")


@dataclass(frozen=True)
class EyeAssets:
    """Both eyes of the face at rest; the one on the left of the picture first.

    Attributes:
        corners: (2, 2) x, y of their pictures in the crop.
        irises: (2, 2) x, y of the irises in their pictures.
        lids: (2, n, h, w, 3) uint8 BGR, evenly from open to closed.
        openings: (2, n, h, w) uint8, where the eyeball is visible between the lids.
        eyeballs: (2, h, w, 3) uint8 BGR, without lids.
        mask: (2, h, w) uint8, feathered, where the pictures count.
        px_per_deg: motion of an iris.
        iris_px: its radius.
    """

    corners: Float32
    irises: Float32
    lids: UInt8
    openings: UInt8
    eyeballs: UInt8
    mask: UInt8
    px_per_deg: float
    iris_px: float


@dataclass(frozen=True)
class PoseAssets:
    """A grid of pictures of the turned head, and the motion between them.

    Attributes:
        yaws, pitches: of the grid, in degrees, rising.
        top, left: corner of the part of the portrait that turns.
        corner: (2,) x, y of the crop at rest in the portrait.
        nodes: (n_pitches, n_yaws, h, w, 4) uint8 BGRA, that part; the colours extend beyond the outline.
        fields: (n_pitches, n_yaws, h / 8, w / 8, 10) float32, see the channels above.
        body: (size, size, 4) uint8 BGRA, the head at rest.
        pivot: (2,) x, y in the portrait, the centre of roll.
        head_rows: (size / 8,) float32 0..1, how much of the roll each row of the portrait follows.
        idle: (n_idle, 7) float32, the pose of each idle picture, columns as `IDLE_NAMES`.
        eyes: pictures of the eyes.
    """

    yaws: Float32
    pitches: Float32
    top: int
    left: int
    corner: Float32
    nodes: UInt8
    fields: Float32
    body: UInt8
    pivot: Float32
    head_rows: Float32
    idle: Float32
    eyes: EyeAssets

    @classmethod
    def load(cls, folder: Path) -> PoseAssets:
        """Load a `pose/` folder.

        Raises:
            AvatarError: a file is missing, damaged or inconsistent with the others.
        """
        try:
            about = read_object(folder / "pose.json")
            if about["schema"] != POSE_SCHEMA:
                raise ValueError(f"schema {about['schema']!r}, this program reads {POSE_SCHEMA}")
            values = {field.name: about[field.name] for field in dataclasses.fields(PoseSpec)}
            given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
            return _assemble(folder, PoseSpec(**given))
        except (InputFileError, KeyError, TypeError, ValueError) as error:
            raise AvatarError(f"The poses in {folder} cannot be used: {problem(error)}.", BUILD_AGAIN) from error


def node_name(row: int, column: int) -> str:
    """File name of a grid picture, without the extension."""
    return f"{row:02d}-{column:02d}"


def _assemble(folder: Path, spec: PoseSpec) -> PoseAssets:
    fields, eyes = (read_arrays(folder / name, MAX_ARRAYS_BYTES) for name in ("fields.npz", "eyes.npz"))
    n_rows, n_columns = len(spec.pitches_deg), len(spec.yaws_deg)
    height, width = _check_fields_fit(fields, spec)
    _check_eyes_fit(eyes)
    names = [node_name(row, column) for row in range(n_rows) for column in range(n_columns)]
    nodes = np.stack([_picture(folder / "grid", name, (height, width)) for name in names])
    return PoseAssets(
        np.array(spec.yaws_deg, np.float32),
        np.array(spec.pitches_deg, np.float32),
        spec.top_px,
        spec.left_px,
        np.array(spec.crop_px, np.float32),
        nodes.reshape(n_rows, n_columns, *nodes.shape[1:]),
        fields["fields"].astype(np.float32),
        _picture(folder, "body", (spec.size_px, spec.size_px)),
        np.array(spec.pivot_px, np.float32),
        fields["head_rows"].astype(np.float32),
        fields["idle"].astype(np.float32),
        EyeAssets(**eyes, px_per_deg=float(spec.px_per_deg), iris_px=float(spec.iris_px)),
    )


def _check_fields_fit(fields: dict[str, NDArray[Any]], spec: PoseSpec) -> tuple[int, int]:
    """Check that all arrays fit each other; height and width of the part that turns, in pixels."""
    if fields["fields"].ndim != 5 or fields["idle"].ndim != 2:
        raise ValueError("fields.npz holds arrays of another shape")
    rows, columns = fields["fields"].shape[2:4]
    height, width = rows * STEP_PX, columns * STEP_PX
    grid = (len(spec.pitches_deg), len(spec.yaws_deg))
    _check_arrays("fields.npz", fields, {
        "fields": ("f", (*grid, rows, columns, N_CHANNELS)),
        "idle": ("f", (max(1, len(fields["idle"])), len(IDLE_NAMES))),
        "head_rows": ("f", (spec.size_px // STEP_PX,)),
    })  # fmt: skip
    if not rows * columns or spec.top_px + height > spec.size_px or spec.left_px + width > spec.size_px:
        raise ValueError("the part that turns leaves the portrait")
    return height, width


def _check_eyes_fit(eyes: dict[str, NDArray[Any]]) -> None:
    if eyes["lids"].ndim != 5 or not eyes["lids"].size or len(eyes["lids"][0]) < 2:
        raise ValueError("eyes.npz holds lids of another shape")
    n_steps, height, width = eyes["lids"].shape[1:4]
    _check_arrays("eyes.npz", eyes, {
        "corners": ("f", (2, 2)),
        "irises": ("f", (2, 2)),
        "lids": ("u", (2, n_steps, height, width, 3)),
        "openings": ("u", (2, n_steps, height, width)),
        "eyeballs": ("u", (2, height, width, 3)),
        "mask": ("u", (2, height, width)),
    })  # fmt: skip


def _check_arrays(name: str, arrays: dict[str, NDArray[Any]], wanted: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """Check kinds and shapes, and that all numbers are finite."""
    for key, (kind, shape) in wanted.items():
        array = arrays[key]
        if array.dtype.kind != kind or (kind == "u" and array.dtype != np.uint8) or array.shape != shape:
            raise ValueError(f"{key} in {name} is {array.dtype} {array.shape}, not {shape}")
        if kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{key} in {name} holds numbers that are not finite")


def _picture(folder: Path, name: str, shape: tuple[int, int]) -> UInt8:
    """(h, w, 4) BGRA from a JPEG of the colours and a PNG of the alpha."""
    return np.dstack(
        (
            _plane(folder / f"{name}.jpg", cv2.IMREAD_COLOR, (*shape, 3)),
            _plane(folder / f"{name}.png", cv2.IMREAD_GRAYSCALE, shape),
        )
    )


def _plane(path: Path, mode: int, shape: tuple[int, ...]) -> UInt8:
    try:
        return decode_sized(read_bytes(path, MAX_PICTURE_BYTES), mode, shape)
    except InputFileError as error:
        raise ValueError(f"the picture {path.name}: {error}") from error
