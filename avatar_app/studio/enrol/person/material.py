"""What the steps of an enrolment pass on: recordings, face tracks, face crops, and clips for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.packets import Float32, UInt8

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Take:
    """One uninterrupted recording after import: constant 25 fps, 16 kHz, sound and picture in sync.

    Attributes:
        name: unique in the enrolment.
        pictures: (n, H, W, 3) uint8 BGR; may be mapped from a file. Picture k shows the instant (k + 0.5) / 25 s.
        samples: (n * 640,) float32 at 16 kHz, nominally in -1..1.
    """

    name: str
    pictures: UInt8
    samples: Float32


@dataclass(frozen=True)
class FaceTrack:
    """The face in each picture of a take.

    Attributes:
        landmarks_px: (n, 478, 3) float32, x and y in pixels of the picture, z on the same scale; NaN without a face.
        confidence: (n,) float32, 0..1; 0 without a face.
        n_faces: (n,) int64, faces that are large enough to matter.
    """

    landmarks_px: Float32
    confidence: Float32
    n_faces: NDArray[np.int64]


@dataclass(frozen=True)
class FaceCrops:
    """The face of a take at a fixed place and scale, as `AvatarData` describes the face crop.

    Attributes:
        frames: (n, 256, 256, 3) uint8 BGR; may be mapped from a file.
        crop_to_picture: (n, 2, 3) float32; crop point p lies at A[k] @ (p, 1) in picture k.
        landmarks_px: (n, 478, 3) float32, the landmarks in pixels of the crop.
        pose_deg: (n, 3) float32, yaw, pitch and roll of the head relative to its median.
        is_usable: (n,) bool, whether the picture is sharp, shows one face, and the head is not turned away.
    """

    frames: UInt8
    crop_to_picture: Float32
    landmarks_px: Float32
    pose_deg: Float32
    is_usable: Bool


@dataclass(frozen=True)
class PersonClip:
    """One sentence of a person, for training and tests; an `AvatarClip`.

    Attributes:
        name: unique in the enrolment.
        split: use of the clip.
        pictures: (n, 256, 256, 3) uint8 BGR face crops; may be mapped from a file.
        params: (n, 14) float32 in 0..1, mouth parameters read from the landmarks.
        pose_deg: (n, 3) float32, see `FaceCrops`.
        is_usable: (n,) bool, see `FaceCrops`.
        sound: (n * 640,) float32 at 16 kHz.
        gap: (n,) float32, gap between the inner lips over the distance of the outer corners of the eyes; 0 when
            closed. Empty if unknown; then the opening of the lips is not scored.
        take: name of the take that the sentence is a part of.
        first: number of its first picture in the take.
        text: the spoken words; empty if unknown.
    """

    name: str
    split: Split
    pictures: UInt8
    params: Float32
    pose_deg: Float32
    is_usable: Bool
    sound: Float32
    gap: Float32
    take: str
    first: int
    text: str = ""

    def frames(self) -> Iterator[UInt8]:
        """See `AvatarClip.frames`."""
        return iter(self.pictures)

    def mouth(self) -> Float32:
        """See `AvatarClip.mouth`."""
        return self.params

    def samples(self) -> Float32:
        """See `AvatarClip.samples`."""
        return self.sound
