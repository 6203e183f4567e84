"""Reads avatar data of a rendered head: an idle loop with alpha, and clips of the face crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import AvatarData, Split
from avatar_app.contracts.errors import StudioError
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.studio.data.clips import (
    CROP_PX,
    FPS,
    GET_THE_DATA,
    Clip,
    read_frames,
    read_params,
    rest_picture,
    still_clips,
)
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.registration import crops_of, find_parts, jitter_px, lips_distance_px

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

FOLDER = "nova"
TITLE, LICENCE = "Nova", "Apache-2.0"
CREDIT = "A rendered person. Geometry and morphs: CC0 assets of MakeHuman."
SIZE_PX = 512
# The clips show this square of the portrait.
CROP_LEFT_PX, CROP_TOP_PX = 128, 116
POSE = ("headYaw", "headPitch", "headRoll")


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """A rendered clip as `AvatarClip`.

    Attributes:
        clip: its files.
    """

    clip: Clip

    @property
    def name(self) -> str:
        """As in `clips.json`."""
        return self.clip.name

    @property
    def split(self) -> Split:
        """As in `clips.json`."""
        return Split.TRAIN if self.clip.is_train else Split.TEST

    def frames(self) -> Iterator[UInt8]:
        """See `AvatarClip.frames`."""
        return read_frames(self.clip)

    def mouth(self) -> Float32:
        """See `AvatarClip.mouth`; exact, because the parameters were the renderer's input."""
        return read_params(self.clip)

    def samples(self) -> Float32:
        """See `AvatarClip.samples`."""
        return read_audio(self.clip.folder / "audio.flac")


@dataclass(frozen=True, slots=True)
class IdlePictures:
    """The idle loop, decoded picture by picture.

    Attributes:
        files: WebP files in order.
    """

    files: Sequence[Path]

    def __iter__(self) -> Iterator[UInt8]:
        return (_read(file) for file in self.files)


def can_read(folder: Path) -> bool:
    """Whether a folder contains the rendered data of `shared/data`: a folder nova/."""
    return (folder / FOLDER).is_dir()


def read(folder: Path) -> AvatarData:
    """Read the data, and register the face crop with each idle picture.

    Raises:
        StudioError: idle pictures or clips cannot be used.
    """
    clips = still_clips(folder / FOLDER)
    rest = rest_picture([clip for clip in clips if clip.is_train])
    files, pose = idle_pictures(folder / FOLDER / "idle")
    idle = IdlePictures(files)
    corner = (CROP_LEFT_PX, CROP_TOP_PX)
    places = np.stack([find_parts(rest, np.ascontiguousarray(picture[:, :, :3]), corner) for picture in idle])
    crops = crops_of(places, pose)
    distance_px = lips_distance_px(crops, places)
    quality = {
        "fit_px": float(np.median(distance_px)),
        "fit_worst_px": float(distance_px.max()),
        "jitter_px": jitter_px(crops),
    }
    return AvatarData(
        title=TITLE,
        licence=LICENCE,
        credit=CREDIT,
        consent=None,
        fps=FPS,
        size_px=SIZE_PX,
        idle=idle,
        crop_to_portrait=crops,
        reference=rest,
        mask=mouth_mask(CROP_PX),
        clips=tuple(map(RenderedClip, clips)),
        quality=quality,
    )


def idle_pictures(folder: Path) -> tuple[list[Path], Float32]:
    """Idle pictures in order and the head's pose in each, (n, 3) float32.

    Raises:
        StudioError: pictures or poses are missing.
    """
    files = sorted(folder.glob("*.webp"))
    try:
        with np.load(folder / "params.npz") as data:
            names = [str(name) for name in data["names"]]
            pose = data["params"][:, [names.index(name) for name in POSE]].astype(np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The poses of the idle pictures cannot be read: {error}.", GET_THE_DATA) from error
    if not files or len(files) != len(pose):
        raise StudioError(f"{folder} contains {len(files)} idle pictures and {len(pose)} poses.", GET_THE_DATA)
    return files, pose


def _read(file: Path) -> UInt8:
    picture: UInt8 | None = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape != (SIZE_PX, SIZE_PX, 4):
        what = "cannot be read" if picture is None else f"is {picture.shape}, not {(SIZE_PX, SIZE_PX, 4)}"
        raise StudioError(f"The idle picture {file} {what}.", GET_THE_DATA)
    return picture
