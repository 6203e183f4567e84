"""What drawing any pose needs, opened from `pose/` in an avatar folder; `avatar-app studio pose` makes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.packets import Float32, UInt8

POSE_SCHEMA = 1
# One lattice point for so many pixels.
STEP_PX = 8
# Channels of the fields: pixels per degree of yaw and pitch, the way to the face at rest, light, whether it is seen.
YAW, PITCH, REST, LIGHT, TRUST = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 9), slice(9, 10)
N_CHANNELS = 10
IDLE_NAMES = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg", "blink", "brow")
BUILD_AGAIN = "Build it anew with `avatar-app studio pose`, or switch the webcam off."


@dataclass(frozen=True)
class EyeAssets:
    """Both eyes of the face at rest; the one on the left of the picture first.

    Attributes:
        corners: (2, 2) x, y of their pictures in the crop.
        irises: (2, 2) x, y of the irises in their pictures.
        lids: (2, n, h, w, 3) uint8 BGR, evenly from open to closed.
        openings: (2, n, h, w) uint8, where the eyeball shows between the lids.
        eyeballs: (2, h, w, 3) uint8 BGR, without lids.
        mask: (2, h, w) uint8, feathered, where the pictures count.
        px_per_deg: how far an iris moves.
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
    """A grid of pictures and how to move between them.

    Attributes:
        yaws, pitches: of the grid, in degrees, rising.
        top, left: of the part of the portrait that turns.
        corner: (2,) x, y of the crop at rest in the portrait.
        nodes: (n_pitches, n_yaws, h, w, 4) uint8 BGRA, that part; colours go on beyond the outline.
        fields: (n_pitches, n_yaws, h / 8, w / 8, 10) float32, see the channels above.
        body: (size, size, 4) uint8 BGRA, the head at rest.
        pivot: (2,) x, y in the portrait that the head rolls about.
        head_rows: (size / 8,) float32 0..1, how far each row of the portrait rolls along.
        idle: (n_idle, 7) float32, the pose of each idle picture, columns as `IDLE_NAMES`.
        eyes: what eyes are drawn from.
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
        """Open a `pose/` folder.

        Raises:
            AvatarError: a file of it is missing, damaged or does not fit the others.
        """
        about = _read_json(folder / "pose.json")
        try:
            if about["schema"] != POSE_SCHEMA:
                raise ValueError(f"schema {about['schema']!r}, this program reads {POSE_SCHEMA}")
            return _assemble(folder, about)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise AvatarError(f"The poses in {folder} cannot be used: {error}.", BUILD_AGAIN) from error


def node_name(row: int, column: int) -> str:
    """The name of a grid picture's files, without the ending."""
    return f"{row:02d}-{column:02d}"


def _assemble(folder: Path, about: dict[str, Any]) -> PoseAssets:
    yaws, pitches = (np.array(about[name], np.float32) for name in ("yaws_deg", "pitches_deg"))
    fields = _arrays(folder / "fields.npz")
    size, shape = int(about["size_px"]), fields["fields"].shape
    part = (shape[2] * STEP_PX, shape[3] * STEP_PX)
    if shape != (len(pitches), len(yaws), shape[2], shape[3], N_CHANNELS) or fields["idle"].shape[1:] != (7,):
        raise ValueError(f"fields {shape} and idle poses {fields['idle'].shape}")
    names = [node_name(row, column) for row in range(len(pitches)) for column in range(len(yaws))]
    nodes = np.stack([_picture(folder / "grid" / name, part) for name in names])
    eyes = _arrays(folder / "eyes.npz")
    return PoseAssets(
        yaws,
        pitches,
        int(about["top_px"]),
        int(about["left_px"]),
        np.array(about["crop_px"], np.float32),
        nodes.reshape(len(pitches), len(yaws), *nodes.shape[1:]),
        fields["fields"].astype(np.float32),
        _picture(folder / "body", (size, size)),
        np.array(about["pivot_px"], np.float32),
        fields["head_rows"].astype(np.float32),
        fields["idle"].astype(np.float32),
        EyeAssets(**eyes, px_per_deg=float(about["px_per_deg"]), iris_px=float(about["iris_px"])),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AvatarError(f"The poses' description {path} cannot be read: {error}.", BUILD_AGAIN) from error
    if not isinstance(data, dict):
        raise AvatarError(f"The poses' description {path} holds no fields.", BUILD_AGAIN)
    return data


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def _picture(stem: Path, shape: tuple[int, int]) -> UInt8:
    """(h, w, 4) BGRA from a JPEG of the colours and a PNG of the alpha."""
    colours = cv2.imread(f"{stem}.jpg", cv2.IMREAD_COLOR)
    alpha = cv2.imread(f"{stem}.png", cv2.IMREAD_GRAYSCALE)
    if colours is None or alpha is None:
        raise ValueError(f"the picture {stem.name} is missing or damaged")
    if colours.shape[:2] != shape or alpha.shape != shape:
        raise ValueError(f"the picture {stem.name} is {colours.shape} with alpha {alpha.shape}, not {shape}")
    return np.dstack((colours, alpha))
