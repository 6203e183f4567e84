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
SHIFTS = np.arange(-CURVE_HZ // 2, CURVE_HZ // 2 + 1)
MAX_OFFSET_MS = 250.0
# Slower changes, such as pauses between sentences, fit at many offsets.
HIGHPASS_S = 0.3
# Twenty seconds of own speech: 0.4 and above, with noise as loud as the voice 0.3. Music or another voice: below 0.1.
MIN_CORRELATION = 0.2

# A video of this length has an offset of its own, if it is clear: 21 s of a real talker are exact to 21 ms.
OWN_OFFSET_S, OWN_CORRELATION = 20.0, 0.3

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
    return _offset(_sum(_evidence(openings, sounds, predict)))


def measure_offsets(
    videos: Sequence[str],
    openings: Sequence[Float32],
    sounds: Sequence[Float32],
    predict: Predict,
    n_shared: int | None = None,
) -> list[Offset]:
    """Measure the offset of each take: that of its video if it is long enough, else the one that takes share.

    Args:
        videos: the video of each take; see `takes.video_of`.
        openings: see `measure_offset`.
        sounds: see `measure_offset`.
        predict: see `measure_offset`.
        n_shared: the first takes, which determine the shared offset; None for all.
    """
    evidence = _evidence(openings, sounds, predict)
    shared = _offset(_sum(evidence[:n_shared]))
    found = {}
    for video in dict.fromkeys(videos):
        own = [k for k, one in enumerate(videos) if one == video]
        offset = _offset(_sum([evidence[k] for k in own]))
        is_long = sum(len(openings[k]) for k in own) >= OWN_OFFSET_S * FPS
        found[video] = offset if is_long and offset.correlation >= OWN_CORRELATION else shared
    return [found[video] for video in videos]


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


def _evidence(openings: Sequence[Float32], sounds: Sequence[Float32], predict: Predict) -> list[Floats]:
    """Sums of products (3, shifts) of each take, see `_products`."""
    pairs = zip(openings, sounds, strict=True)
    return [_products(*_curves(opening, predict(samples))) for opening, samples in pairs]


def _sum(evidence: Sequence[Floats]) -> Floats:
    return np.asarray(np.sum(evidence, axis=0), np.float64)


def _offset(sums: Floats) -> Offset:
    correlation = sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))
    best = int(correlation.argmax())
    return Offset((int(SHIFTS[best]) + _peak(correlation, best)) * 1000 / CURVE_HZ, float(correlation[best]))


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


def _products(measured: Floats, predicted: Floats) -> Floats:
    """Sums of products (3, shifts) of the part that both curves have: measured with predicted, and each with itself."""
    n = len(measured)
    sums = np.zeros((3, len(SHIFTS)))
    for column, shift in enumerate(int(one) for one in SHIFTS):
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
