"""Measures and corrects the offset between sound and picture of a recording.

The opening of the lips is compared with the opening that the published speech encoder predicts from the sound. It was
trained on other speakers, in sync, so their correlation is highest where the sound fits the picture. A low correlation
at every offset means that the mouth does not speak this sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.mouth_parameters import opening_mm
from avatar_app.studio.enrol.person.mouth_prediction import predicted_parameters
from avatar_app.studio.train.speech_encoder_score import MouthPredictor

Floats = NDArray[np.float64]

# Both curves are compared at this rate.
CURVE_HZ = 100
SEARCH_MS = 500
MAX_OFFSET_MS = 250.0
# Slower changes, such as pauses between sentences, fit at many offsets.
HIGHPASS_S = 0.3
# Twenty seconds of own speech: 0.4 and above, with noise as loud as the voice 0.3. Music or another voice: below 0.1.
MIN_CORRELATION = 0.2

# From (n * 640,) float32 samples at 16 kHz to the opening of the lips in mm at (k + 0.5) / 100 s, (4 n,) float64.
Predict = Callable[[Float32], Floats]


@dataclass(frozen=True, slots=True)
class Offset:
    """Offset of the sound of a recording.

    Attributes:
        ms: how much later than the picture the sound is.
        correlation: of the opening of the lips and the predicted opening, at this offset.
    """

    ms: float
    correlation: float


def measure_offset(openings: Sequence[Float32], sounds: Sequence[Float32], predict: Predict) -> Offset:
    """Measure the offset that several takes of one recording share.

    Args:
        openings: (n,) each, the opening of the lips in every picture, in any unit; NaN without a face.
        sounds: (n * 640,) each, float32 at 16 kHz.
        predict: see `opening_predictor`.

    Returns:
        The offset within 500 ms either way.
    """
    shifts = np.arange(-SEARCH_MS * CURVE_HZ // 1000, SEARCH_MS * CURVE_HZ // 1000 + 1)
    sums = np.zeros((3, len(shifts)))
    for opening, samples in zip(openings, sounds, strict=True):
        sums += _products(*_curves(opening, predict(samples)), shifts)
    correlation = sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))
    best = int(correlation.argmax())
    ms = (int(shifts[best]) + _peak(correlation, best)) * 1000 / CURVE_HZ
    return Offset(ms, float(correlation[best]))


def require_offset(offset: Offset, name: str) -> float:
    """The offset in ms by which to shift the sound.

    Args:
        offset: measured.
        name: of the video, for the message.

    Raises:
        StudioError: the sound is not the speech of this mouth, or is too far off.
    """
    if offset.correlation < MIN_CORRELATION:
        raise StudioError(
            f"The sound of {name} does not fit the movement of the lips.",
            "Record your own voice together with the picture, without music or other voices.",
        )
    if abs(offset.ms) > MAX_OFFSET_MS:
        raise StudioError(
            f"The sound of {name} is {abs(offset.ms):.0f} ms too {'late' if offset.ms > 0 else 'early'}.",
            f"Up to {MAX_OFFSET_MS:.0f} ms are corrected: record again, or correct the file with a video editor.",
        )
    return offset.ms


def shift_sound(samples: Float32, ms: float) -> Float32:
    """Move the sound earlier by an offset, with silence where it has none; its length remains."""
    n = round(ms * LIVE_RATE_HZ / 1000)
    shifted = np.zeros_like(samples)
    kept = samples[max(0, n) : len(samples) + min(0, n)]
    shifted[max(0, -n) :][: len(kept)] = kept
    return shifted


def opening_predictor(net: MouthPredictor) -> Predict:
    """Predicts the opening of the lips with the published speech encoder.

    Args:
        net: in evaluation mode.
    """
    return lambda samples: opening_mm(predicted_parameters(net, samples, CURVE_HZ)).astype(np.float64)


def _curves(opening: Float32, predicted_mm: Floats) -> tuple[Floats, Floats]:
    """Both curves at 100 Hz without slow changes; gaps without a face are bridged by a line."""
    is_known = np.isfinite(opening)
    if not is_known.any():
        return np.zeros(1), np.zeros(1)
    t_s = _instants_s(len(opening) / FPS)
    known_s = (np.flatnonzero(is_known) + 0.5) / FPS
    measured = _highpass(np.interp(t_s, known_s, opening[is_known].astype(np.float64)))
    n = min(len(measured), len(predicted_mm))
    return measured[:n], _highpass(predicted_mm)[:n]


def _products(measured: Floats, predicted: Floats, shifts: NDArray[np.int64]) -> Floats:
    """Sums of products (3, shifts) of the part that both curves have: measured with predicted, and each with itself."""
    n = len(measured)
    sums = np.zeros((3, len(shifts)))
    for column, shift in enumerate(shifts):
        a, b = measured[max(0, -shift) : n - max(0, shift)], predicted[max(0, shift) : n - max(0, -shift)]
        sums[:, column] = a @ b, a @ a, b @ b
    return sums


def _peak(correlation: Floats, best: int) -> float:
    """Position of the maximum relative to its sample, by a parabola through it and its neighbours."""
    if not 0 < best < len(correlation) - 1:
        return 0.0
    before, top, after = correlation[best - 1 : best + 2]
    curvature = before - 2 * top + after
    return float(0.5 * (before - after) / curvature) if curvature < 0 else 0.0


def _highpass(curve: Floats) -> Floats:
    sigma = HIGHPASS_S * CURVE_HZ
    slow = cv2.GaussianBlur(curve[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0]
    return np.asarray(curve - slow, np.float64)


def _instants_s(duration_s: float) -> Floats:
    return (np.arange(round(duration_s * CURVE_HZ)) + 0.5) / CURVE_HZ
