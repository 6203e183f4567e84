"""The map from measurements of a mouth to the mouth parameters, learned on rendered clips with known parameters."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.contracts.packets import Float32
from avatar_app.studio.enrol.person.mouth_features import FEATURE_NAMES, GAP

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

FILE = Path(__file__).with_name("mouth_map.npz")
MAX_BYTES = 4_000_000
# Lips count as closed below this gap, in units of the distance of the outer corners of the eyes. The mesh of the
# tracker draws closed lips at about 0.002 and open ones beyond 0.02.
CLOSED_GAP = 0.012
# Speech is this near to an open mouth, in pictures.
NEAR_PICTURES = 5
# The reach ignores the rarest measurements on either side.
RARE_SHARE = 0.02
MIN_REACH = 1e-4
# Gap over its reach at which the opening in millimetres is tabulated.
GAP_KNOTS = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5])
RIDGE = 0.03


@dataclass(frozen=True)
class MouthMap:
    """A linear function of `terms_of` the measurements.

    Attributes:
        centre: (terms,) float32, mean of the terms.
        spread: (terms,) float32, their standard deviation.
        weight: (terms + 1, 14) float32; the last row is the constant.
        opening_mm: (14,) float32, gap between the lips of the rendered head per unit of each parameter.
        knots_mm: (11,) float32, that gap at `GAP_KNOTS` of the measured one.
    """

    centre: Float32
    spread: Float32
    weight: Float32
    opening_mm: Float32
    knots_mm: Float32

    def __post_init__(self) -> None:
        n_terms = len(terms_of(np.zeros((1, len(FEATURE_NAMES))))[0])
        wanted = ((n_terms,), (n_terms,), (n_terms + 1, N_MOUTH), (N_MOUTH,), GAP_KNOTS.shape)
        shapes = tuple(part.shape for part in (self.centre, self.spread, self.weight, self.opening_mm, self.knots_mm))
        if shapes != wanted:
            raise ValueError(f"the arrays have the shapes {shapes}, not {wanted}")

    def design(self, ratios: Float64) -> Float64:
        """(n, 21) measurements over their reach, to (n, terms + 1): what `weight` is multiplied with."""
        scaled = (terms_of(ratios) - self.centre) / self.spread
        return np.concatenate((scaled, np.ones((len(scaled), 1))), axis=1)

    def target_mm(self, ratios: Float64) -> Float64:
        """(n, 21) measurements over their reach, to the opening that the gap between the lips tells, (n,)."""
        return np.asarray(np.interp(ratios[:, GAP], GAP_KNOTS, self.knots_mm), np.float64)

    def save(self, opened: BinaryIO) -> None:
        """Write it as `.npz`."""
        np.savez_compressed(opened, **asdict(self))


@functools.lru_cache(maxsize=1)
def published_map() -> MouthMap:
    """The map that the program ships.

    Raises:
        StudioError: it is damaged.
    """
    try:
        return MouthMap(**read_arrays(FILE, MAX_BYTES))
    except (InputFileError, TypeError, ValueError) as error:
        raise StudioError(f"The file {FILE} is damaged: {error}.", "Install the program again.") from error


def fit_map(ratios: Float64, params: Float32, opening_mm: Float32, ridge: float = RIDGE) -> MouthMap:
    """Learn the map by ridge regression.

    Args:
        ratios: (n, 21) measurements over their reach, of rendered pictures.
        params: (n, 14) their parameters.
        opening_mm: (14,) from `studio.mouth.lip_opening_mm`.
        ridge: penalty of the squared weights, of terms with standard deviation 1.
    """
    terms = terms_of(ratios)
    centre, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-6)
    scaled = np.concatenate(((terms - centre) / spread, np.ones((len(terms), 1))), axis=1)
    weight = ridge_toward(scaled, params, np.zeros((scaled.shape[1], N_MOUTH)), ridge)
    knots_mm = _knots(ratios[:, GAP], np.asarray(params @ opening_mm, np.float64))
    parts = (centre, spread, weight, opening_mm, knots_mm)
    return MouthMap(*(np.asarray(part, np.float32) for part in parts))


def ridge_toward(design: Float64, wanted: NDArray[np.floating], prior: NDArray[np.floating], ridge: float) -> Float64:
    """Weights that minimise mean squared error + `ridge` * squared distance from the prior, the constant left free."""
    penalty = ridge * len(design) * np.eye(design.shape[1])
    penalty[-1, -1] = 1e-6 * len(design)
    missing = wanted - design @ prior
    return np.asarray(prior + np.linalg.solve(design.T @ design + penalty, design.T @ missing), np.float64)


def reach_of(features: Float64) -> Float64:
    """How far a person's mouth moves while speaking: (n, 21) measurements to (21,), root mean squares.

    Args:
        features: consecutive pictures, without NaN.
    """
    is_open = np.convolve(features[:, GAP] > CLOSED_GAP, np.ones(2 * NEAR_PICTURES + 1), mode="same") > 0
    speaking = features[is_open] if is_open.any() else features
    limited = np.clip(speaking, *np.quantile(speaking, [RARE_SHARE, 1 - RARE_SHARE], axis=0))
    return np.asarray(np.maximum(np.sqrt(np.square(limited).mean(axis=0)), MIN_REACH), np.float64)


def terms_of(ratios: Float64) -> Float64:
    """(n, 21) to (n, 252): the measurements, and their products with each other."""
    first, second = np.triu_indices(ratios.shape[1])
    return np.concatenate((ratios, ratios[:, first] * ratios[:, second]), axis=1)


def _knots(gap: Float64, opening_mm: Float64) -> Float64:
    """Mean opening around each knot of the gap, not decreasing; the last values are extrapolated."""
    values = np.full(len(GAP_KNOTS), np.nan)
    width = np.gradient(GAP_KNOTS) / 2
    for k, (at, half) in enumerate(zip(GAP_KNOTS, width, strict=True)):
        is_near = np.abs(gap - at) <= half
        if is_near.sum() >= 5:
            values[k] = opening_mm[is_near].mean()
    known = np.isfinite(values)
    slope = np.polyfit(gap, opening_mm, 1)[0]
    last = int(np.flatnonzero(known)[-1])
    values[~known] = np.interp(GAP_KNOTS[~known], GAP_KNOTS[known], values[known])
    values[last + 1 :] = values[last] + slope * (GAP_KNOTS[last + 1 :] - GAP_KNOTS[last])
    return np.maximum.accumulate(np.maximum(values, 0.0))
