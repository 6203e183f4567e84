"""Lip landmarks in pictures, and the landmark distance (LMD) of generated lips from the ground truth.

The landmark distance of Chen et al. (ATVGnet, CVPR 2019) compares landmarks from a face tracker. The rendered head is a
linear model with known lips in every picture. A linear reader, fitted to ground-truth pictures, finds them within a
quarter of a pixel in ground-truth and generated pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio.data.clips import GET_THE_DATA
from avatar_app.studio.metrics.scores import features_of
from avatar_app.studio.mouth import JAW

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Orthographic approximation of the camera at the depth of the lips: pixels of the 256 px crop per 10 cm, and position
# of the midpoint of the eyes. The error at the corners and edges of the lips at rest is below 1 px.
PX_PER_UNIT = 156.0
EYES_PX = (128.0, 108.8)
N_OUTER = 12
# x of the inner lip landmarks in units of 10 cm.
INNER_X = (-0.14, -0.07, 0.0, 0.07, 0.14)
NEAR_X = 0.02
NEAR_RAD = 0.13
# Less than `scores.RIDGE`, because the landmarks move by fractions of a pixel.
RIDGE = 1.0


@dataclass(frozen=True)
class Lips:
    """Landmarks of the lips as a linear function of the mouth's parameters.

    Attributes:
        rest_px: (22, 2) float64, x and y in the 256 px crop: twelve around the lips, then upper and lower alternately.
        moved_px: (14, 22, 2) float64, displacement per unit of each parameter.
    """

    rest_px: Float64
    moved_px: Float64

    @classmethod
    def of_rig(cls, rig_file: Path) -> Lips:
        """Choose the landmarks among the vertices of the lips.

        Raises:
            StudioError: the head cannot be read.
        """
        try:
            with np.load(rig_file) as rig:
                is_lip = rig["label"] == list(rig["label_names"]).index("lips")
                places = rig["neutral"][is_lip][:, [0, 2]].astype(np.float64)
                moves = rig["deltas"][:N_MOUTH][:, is_lip][:, :, [0, 2]].astype(np.float64)
                eyes = rig["eye_center"][:, [0, 2]].mean(axis=0)
        except (OSError, ValueError, KeyError) as error:
            raise StudioError(f"The head {rig_file} cannot be read: {error}.", GET_THE_DATA) from error
        chosen = [*_outer(places), *_inner(places, moves[JAW][:, 1])]
        down = np.array([1.0, -1.0])
        return cls(
            np.array(EYES_PX) + PX_PER_UNIT * down * (places[chosen] - eyes), PX_PER_UNIT * down * moves[:, chosen]
        )

    def at(self, params: Float32) -> Float64:
        """(n, 14) parameters to (n, 22, 2) pixels."""
        places: Float64 = self.rest_px + np.einsum("np,pkc->nkc", params.astype(np.float64), self.moved_px)
        return places


@dataclass(frozen=True)
class LipReader:
    """Finds the landmarks in pictures of the mouth: a linear map, fitted to ground-truth pictures.

    Attributes:
        weight: (features, 44) float64.
    """

    weight: Float64

    @classmethod
    def fit(cls, mouths: UInt8, places_px: Float64) -> LipReader:
        """Fit to (n, h, w, 3) pictures and their (n, 22, 2) landmarks, by ridge regression."""
        x = features_of(mouths)
        weight = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ places_px.reshape(len(x), -1))
        return cls(weight.astype(np.float64))

    def read(self, mouths: UInt8) -> Float64:
        """(n, h, w, 3) pictures to (n, 22, 2) pixels of the 256 px crop."""
        places: Float64 = features_of(mouths) @ self.weight
        return places.reshape(len(mouths), -1, 2)


def distance_px(a: Float64, b: Float64) -> float:
    """Mean distance of (n, 22, 2) landmarks in pixels of the 256 px crop."""
    return float(np.linalg.norm(a - b, axis=2).mean())


def _outer(places: Float64) -> list[int]:
    """The outermost vertex in each of twelve directions."""
    ellipse = (places - places.mean(axis=0)) / np.ptp(places, axis=0)
    angle, radius = np.arctan2(ellipse[:, 1], ellipse[:, 0]), np.hypot(*ellipse.T)
    chosen = []
    for wanted in 2 * np.pi * np.arange(N_OUTER) / N_OUTER:
        is_near = np.abs((angle - wanted + np.pi) % (2 * np.pi) - np.pi) < NEAR_RAD
        chosen.append(int(np.where(is_near, radius, -1).argmax()))
    return chosen


def _inner(places: Float64, jaw_up: Float64) -> list[int]:
    """The lowest vertex of the upper lip and the highest of the lower lip, which moves with the jaw, at five places."""
    is_lower = jaw_up < 0.5 * jaw_up.min()
    chosen = []
    for x in INNER_X:
        is_near = np.abs(places[:, 0] - x) < NEAR_X
        chosen.append(int(np.where(is_near & ~is_lower, places[:, 1], np.inf).argmin()))
        chosen.append(int(np.where(is_near & is_lower, places[:, 1], -np.inf).argmax()))
    return chosen
