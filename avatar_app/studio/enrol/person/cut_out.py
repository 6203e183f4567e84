"""Cuts the person out of the portraits of a loop: the mask of the model, the background of each take, and the matte."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.enrol.person.idle_material import Run
from avatar_app.studio.enrol.person.idle_sources import Material, Sources
from avatar_app.studio.enrol.person.matting import Plate, background_plate, matte, steady
from avatar_app.studio.enrol.person.person_mask import PersonFinder
from avatar_app.studio.enrol.person.portrait import cut_portrait

# Pictures of a take that show its background.
N_PLATE_PICTURES = 12
# The outline of the face in mediapipe's face mesh, in order.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# The certain part of the face: its outline, shrunk to this share.
SOLID_RATIO = 0.9


class CutOut:
    """Removes the background; see `make_loop`. It keeps the background of each take.

    Args:
        material: takes and their face crops.
        sources: the pictures at rest.
        find_person: the segmentation model.
    """

    def __init__(self, material: Material, sources: Sources, find_person: PersonFinder) -> None:
        self._material = material
        self._find = find_person
        self._size_px = sources.size_px
        self._maps = {run.take: map_ for run, map_ in zip(sources.runs, sources.to_portrait, strict=True)}
        self._plates: dict[int, Plate] = {}

    def __call__(self, run: Run, portraits: UInt8) -> UInt8:
        """(n, size, size, 4) uint8 BGRA for portraits (n, size, size, 3) of the pictures of a run."""
        plate = self._plate(run.take)
        alphas, colours = [], []
        for k, portrait in zip(range(run.start, run.stop), portraits, strict=True):
            alpha, clean = matte(portrait, self._find(portrait), plate, self._solid(run.take, k))
            alphas.append(alpha)
            colours.append(clean)
        steadied = steady(np.stack(alphas), portraits)
        return np.concatenate((np.stack(colours), steadied[..., None]), axis=3)

    def _plate(self, take: int) -> Plate:
        if take not in self._plates:
            pictures = self._material[take][0].pictures
            numbers = np.unique(np.linspace(0, len(pictures) - 1, N_PLATE_PICTURES).astype(int))
            portraits = [cut_portrait(np.asarray(pictures[k]), self._maps[take], self._size_px) for k in numbers]
            self._plates[take] = background_plate(portraits, [self._find(portrait) for portrait in portraits])
        return self._plates[take]

    def _solid(self, take: int, k: int) -> UInt8:
        """(size, size) uint8: 255 in the face."""
        crops = self._material[take][1]
        marks: Float32 = crops.landmarks_px[k][OVAL, :2]
        marks = marks.mean(axis=0) + SOLID_RATIO * (marks - marks.mean(axis=0))
        placed = _placed(_placed(marks, crops.crop_to_picture[k]), self._maps[take])
        solid = np.zeros((self._size_px, self._size_px), np.uint8)
        cv2.fillPoly(solid, [np.rint(placed).astype(np.int32)], 255)
        return solid


def keep_background(run: Run, portraits: UInt8) -> UInt8:
    """Portraits as they are, opaque; see `make_loop`."""
    del run
    return np.concatenate((portraits, np.full((*portraits.shape[:3], 1), 255, np.uint8)), axis=3)


def _placed(points: Float32, affine: np.ndarray) -> Float32:
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)
