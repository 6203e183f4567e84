"""The clips of a person, as training and metrics need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.packets import Float32, UInt8


class FaceClip(Protocol):
    """One sentence of a person with face crops; `PersonClip` is one."""

    @property
    def name(self) -> str:
        """Name of the clip, unique among the clips."""

    @property
    def split(self) -> Split:
        """Use of the clip."""

    @property
    def pictures(self) -> UInt8:
        """(n, 256, 256, 3) uint8 BGR face crops at 25 fps; may be mapped from a file."""

    @property
    def params(self) -> Float32:
        """(n, 14) float32 in 0..1, mouth parameters."""

    @property
    def pose_deg(self) -> Float32:
        """(n, 3) float32, yaw, pitch and roll of the head relative to its median."""

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """(n,) bool, whether the picture is sharp, shows one face, and the head is not turned away."""

    @property
    def gap(self) -> Float32:
        """(n,) float32, gap between the inner lips over the distance of the outer corners of the eyes; may be empty."""

    @property
    def sound(self) -> Float32:
        """(n * 640,) float32 at 16 kHz."""


def of_split(clips: Iterable[FaceClip], split: Split) -> Sequence[FaceClip]:
    """The clips of a split."""
    return [clip for clip in clips if clip.split is split]
