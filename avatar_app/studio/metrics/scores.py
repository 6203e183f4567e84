"""Metrics of pictures of mouths."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

READ_SIZE = (24, 20)
RIDGE = 10.0
SSIM_SIGMA = 1.5
# A closing of the lips between open mouths, as in p, b and m: lip gap in mm, and pictures on either side.
SEALED_MM, OPEN_MM, SEALED_PICTURES = 0.6, 3.0, 4
# Lips with a smaller read gap count as closed.
LOOKS_CLOSED_MM = 2.0
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr_db(generated: UInt8, expected: UInt8) -> float:
    """Mean peak signal-to-noise ratio of (n, h, w, 3) pictures."""
    errors = np.square(generated.astype(np.float32) - expected).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-3))))


def ssim(generated: UInt8, expected: UInt8) -> float:
    """Mean structural similarity of (n, h, w, 3) pictures in greyscale (Wang et al. 2004)."""
    return float(np.mean([_ssim_of(a, b) for a, b in zip(generated, expected, strict=True)]))


def laplacian_variance(mouths: UInt8) -> float:
    """Sharpness: variance of the Laplacian of (n, h, w, 3) pictures in greyscale, mean over pictures.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000).
    """
    grey = (cv2.cvtColor(m, cv2.COLOR_BGR2GRAY).astype(np.float32) for m in mouths)
    return float(np.mean([cv2.Laplacian(g, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE).var() for g in grey]))


def sharpness_ratio(generated: UInt8, expected: UInt8) -> float:
    """Sharpness of generated pictures relative to that of the ground truth; 1 is equal, less is softer."""
    return laplacian_variance(generated) / max(laplacian_variance(expected), 1e-6)


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson correlation of two curves; 0 if one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-9 else 0.0


def motion(mouths: UInt8) -> float:
    """Mean change of a pixel from picture to picture, in grey levels."""
    steps = [np.abs(b.astype(np.int16) - a).mean() for a, b in itertools.pairwise(mouths)]
    return float(np.mean(steps)) if steps else 0.0


def jitter(generated: UInt8, expected: UInt8) -> float:
    """Temporal noise of a generated mouth in grey levels: mean absolute second difference over time of its error."""
    error = generated.astype(np.float32) - expected
    return float(np.abs(np.diff(error, 2, axis=0)).mean()) if len(error) > 2 else 0.0


def closings(read_mm: NDArray[np.floating], expected_mm: NDArray[np.floating]) -> tuple[int, int]:
    """Count the lip closings of the ground truth, and those that the generated lips follow within one picture.

    Args:
        read_mm: (n,) lip gap read from generated pictures.
        expected_mm: (n,) lip gap of the ground truth.

    Returns:
        Number of followed closings, and of all closings.
    """
    found = [
        bool(read_mm[k - 1 : k + 2].min() < LOOKS_CLOSED_MM)
        for k in range(SEALED_PICTURES, len(expected_mm) - SEALED_PICTURES)
        if expected_mm[k] < SEALED_MM
        # Only the first picture of a minimum.
        and expected_mm[k] < expected_mm[k - 2 : k].min()
        and expected_mm[k] <= expected_mm[k + 1 : k + 3].min()
        and expected_mm[k - SEALED_PICTURES : k].max() > OPEN_MM
        and expected_mm[k + 1 : k + 1 + SEALED_PICTURES].max() > OPEN_MM
    ]
    return sum(found), len(found)


@dataclass(frozen=True)
class OpeningReader:
    """Reads the lip gap from pictures of the mouth: a linear map, fitted to ground-truth pictures.

    Attributes:
        weight: (features + 1,) float64.
    """

    weight: NDArray[np.float64]

    @classmethod
    def fit(cls, mouths: UInt8, opening_mm: Float32) -> OpeningReader:
        """Fit to (n, h, w, 3) pictures and their (n,) lip gaps, by ridge regression."""
        features = features_of(mouths)
        gram = features.T @ features + RIDGE * np.eye(features.shape[1])
        weight: NDArray[np.float64] = np.linalg.solve(gram, features.T @ opening_mm).astype(np.float64)
        return cls(weight)

    def picture(self, height: int, width: int) -> Float32:
        """The map as a picture, (h, w, 3): millimetres of lip gap per unit of each value in 0..1."""
        single = np.eye(height * width, dtype=np.float32).reshape(-1, height, width)
        small = np.stack([cv2.resize(p, READ_SIZE, interpolation=cv2.INTER_AREA).ravel() for p in single])
        weight: Float32 = (small @ self.weight[:-1].reshape(-1, 3)).reshape(height, width, 3).astype(np.float32)
        return weight

    def read(self, mouths: UInt8) -> NDArray[np.float64]:
        """Lip gap in millimetres of (n, h, w, 3) pictures."""
        opening: NDArray[np.float64] = features_of(mouths) @ self.weight
        return opening


def features_of(mouths: UInt8) -> NDArray[np.float64]:
    """Features of the readers: (n, h, w, 3) pictures, downsampled, as rows with a final 1."""
    small = np.stack([cv2.resize(m, READ_SIZE, interpolation=cv2.INTER_AREA) for m in mouths])
    flat = small.reshape(len(mouths), -1).astype(np.float64) / 255
    return np.concatenate((flat, np.ones((len(flat), 1))), axis=1)


def _ssim_of(a: UInt8, b: UInt8) -> float:
    x, y = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float64) for p in (a, b))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    shared = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + SSIM_C1) * (2 * shared + SSIM_C2)
    bottom = (mean_x**2 + mean_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2)
    return float((top / bottom).mean())


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return cv2.GaussianBlur(x, (11, 11), SSIM_SIGMA)  # type: ignore[no-any-return]
