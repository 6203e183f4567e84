"""The face crop of the Wav2Lip family: 96 pixels, of which networks generate the lower half."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UInt8 = NDArray[np.uint8]

SIZE_PX = 96
TOP_PX = SIZE_PX // 2
# The part of the lower half with the mouth, where quality is measured: rows 60..91, columns 24..71 of the face.
MOUTH_ROWS = slice(12, 44)
MOUTH_COLUMNS = slice(24, 72)


def lower_half(crop: UInt8) -> UInt8:
    """(256, 256, 3) -> (48, 96, 3): the lower half of the face at the size of the networks."""
    return cv2.resize(crop, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)[TOP_PX:]  # type: ignore[no-any-return]


def face_input(picture: UInt8) -> Tensor:
    """(96, 96, 3) uint8 BGR -> (1, 6, 96, 96) float32: the picture without its lower half, then the whole of it."""
    whole = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
    masked = whole.clone()
    masked[:, TOP_PX:] = 0
    return torch.cat((masked, whole))[None]


def face_of(crop: UInt8) -> Tensor:
    """(S, S, 3) uint8 BGR, a face of any size -> `face_input` of it."""
    return face_input(cv2.resize(crop, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA))
