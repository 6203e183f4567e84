"""Mouth parameters and visemes, and the mouth curves of a sequence of phones.

The curves follow Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): each phone pulls the
parameters towards the values of its viseme with a dominance that decays with the distance in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH

JAW = MOUTH_NAMES.index("jawOpen")
# A slight smile.
REST = np.zeros(N_MOUTH, dtype=np.float32)
REST[MOUTH_NAMES.index("mouthSmile")] = 0.1

CURVE_HZ = 100

PHONES = (
    "sil", "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy", "jh",
    "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
)  # fmt: skip
SILENT = ("sil", "pau", "h#", "brth")
SEALED = ("p", "b", "m")
LIP_TO_TEETH = ("f", "v")
_SAME_AS = {"ax": "ah", "axr": "er", "dx": "d", "en": "n", "el": "l", "em": "m"}


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone of an utterance."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _Viseme:
    """A mouth shape, the peak of its dominance and its reach in time."""

    shape: Mapping[str, float]
    dominance: float
    reach_s: float = 0.048


_VISEMES = {
    "sil": _Viseme({}, 1.6, 0.060),
    "PP": _Viseme({"mouthPress": 0.45, "mouthPucker": 0.25, "mouthFrown": 0.20}, 8.0, 0.030),
    "FF": _Viseme({"jawOpen": 0.10, "mouthRollLower": 0.85, "mouthUpperUp": 0.42}, 6.0, 0.034),
    "TH": _Viseme({"jawOpen": 0.26, "tongueOut": 1.0, "mouthUpperUp": 0.38, "mouthLowerDown": 0.15}, 3.0),
    "DD": _Viseme({"jawOpen": 0.24, "tongueUp": 1.0, "mouthUpperUp": 0.25, "mouthLowerDown": 0.22}, 0.9),
    "kk": _Viseme({"jawOpen": 0.32, "tongueBack": 0.9, "mouthUpperUp": 0.15, "mouthLowerDown": 0.15}, 0.6),
    "CH": _Viseme(
        {"jawOpen": 0.14, "mouthFunnel": 0.75, "mouthUpperUp": 0.20, "mouthLowerDown": 0.20, "tongueUp": 0.5},
        2.5,
        0.060,
    ),
    "SS": _Viseme(
        {"jawOpen": 0.06, "mouthStretch": 0.35, "mouthUpperUp": 0.35, "mouthLowerDown": 0.45, "tongueUp": 0.3}, 1.6
    ),
    "nn": _Viseme(
        {"jawOpen": 0.30, "tongueUp": 1.0, "mouthUpperUp": 0.18, "mouthLowerDown": 0.15, "mouthStretch": 0.1}, 0.9
    ),
    "RR": _Viseme({"jawOpen": 0.20, "mouthFunnel": 0.45, "mouthPucker": 0.35, "tongueBack": 0.6}, 1.2),
    "aa": _Viseme({"jawOpen": 0.85, "mouthUpperUp": 0.20, "mouthLowerDown": 0.10}, 1.8),
    "E": _Viseme({"jawOpen": 0.42, "mouthStretch": 0.35, "mouthUpperUp": 0.25, "mouthLowerDown": 0.20}, 1.2),
    "ih": _Viseme(
        {"jawOpen": 0.22, "mouthStretch": 0.55, "mouthSmile": 0.15, "mouthUpperUp": 0.30, "mouthLowerDown": 0.30}, 1.2
    ),
    "oh": _Viseme({"jawOpen": 0.52, "mouthPucker": 0.45, "mouthFunnel": 0.40}, 1.8),
    "ou": _Viseme({"jawOpen": 0.14, "mouthPucker": 1.0, "mouthFunnel": 0.18}, 2.5, 0.075),
}
_VISEME_OF = {
    "PP": "p b m em", "FF": "f v", "TH": "th dh", "DD": "t d dx", "kk": "k g ng hh", "CH": "ch jh sh zh", "SS": "s z",
    "nn": "n l en el", "RR": "r er axr", "aa": "aa ae ah aw ay", "E": "ax eh ey", "ih": "ih iy y", "oh": "ao ow oy",
    "ou": "uh uw w", "sil": " ".join(SILENT),
}  # fmt: skip
_PHONE_TO_VISEME = {phone: viseme for viseme, phones in _VISEME_OF.items() for phone in phones.split()}
_GLIDES_TO = {"aw": "ou", "ay": "ih", "oy": "ih", "ow": "ou", "ey": "ih"}
_AMOUNT = {"ax": 0.55, "ah": 0.65, "ih": 0.8, "hh": 0.7, "ae": 0.85, "er": 0.9, "uh": 0.7}


def phone_index(name: str) -> int:
    """Index of a phone in `PHONES`; unknown phones count as silence."""
    name = _SAME_AS.get(name, name)
    return PHONES.index(name) if name in PHONES else 0


def curves_of(phones: Sequence[Phone], n_values: int, hz: float = CURVE_HZ) -> NDArray[np.float32]:
    """The mouth curves of an utterance.

    Args:
        phones: in order.
        n_values: length of the curves; value k is at (k + 0.5) / hz seconds.
        hz: values a second.

    Returns:
        (n_values, 14) float32 in 0..1, columns `MOUTH_NAMES`.
    """
    t = (np.arange(n_values) + 0.5) / hz
    pulled = np.zeros((n_values, N_MOUTH))
    total = np.zeros((n_values, 1))
    for viseme, start_s, end_s, amount in _segments(phones):
        middle_s, half_s = (start_s + end_s) / 2, (end_s - start_s) / 2
        outside_s = np.maximum(np.abs(t - middle_s) - 0.6 * half_s, 0.0)
        dominance = viseme.dominance * np.exp(-((outside_s / viseme.reach_s) ** 1.3))[:, None]
        pulled += dominance * (amount * _vector(viseme))
        total += dominance
    mouth = pulled / np.maximum(total, 1e-6)
    return np.asarray(mouth + REST, dtype=np.float32)


def phones_over_time(phones: Sequence[Phone], n_values: int, hz: float = CURVE_HZ) -> NDArray[np.int64]:
    """Index into `PHONES` at the same instants as `curves_of`; silence between the phones."""
    t = (np.arange(n_values) + 0.5) / hz
    indices = np.zeros(n_values, dtype=np.int64)
    for phone in phones:
        indices[(t >= phone.start_s) & (t < phone.end_s)] = phone_index(phone.name)
    return indices


def lip_opening_mm(rig_file: Path) -> NDArray[np.float32]:
    """Change of the gap between the inner lips with each mouth parameter.

    The head is a linear model, so the gap in the middle of the mouth is a scalar product with the parameters.

    Returns:
        (14,) float32, millimetres per unit.
    """
    rig = np.load(rig_file)
    up_mm = rig["deltas"][:N_MOUTH, :, 2] * 100.0
    middle = (rig["label"] == list(rig["label_names"]).index("lips")) & (np.abs(rig["neutral"][:, 0]) < 0.05)
    is_lower = up_mm[JAW] < 0.5 * up_mm[JAW][middle].min()
    z = rig["neutral"][:, 2]
    upper, lower = np.flatnonzero(middle & ~is_lower), np.flatnonzero(middle & is_lower)
    inner_upper, inner_lower = upper[np.argsort(z[upper])[:12]], lower[np.argsort(-z[lower])[:12]]
    return np.asarray(up_mm[:, inner_upper].mean(1) - up_mm[:, inner_lower].mean(1), dtype=np.float32)


def visible_weight(rig_file: Path) -> NDArray[np.float32]:
    """Relative visible motion of each parameter: (14,) float32 with mean 1."""
    rig = np.load(rig_file)
    names = list(rig["label_names"])
    moved = np.linalg.norm(rig["deltas"][:N_MOUTH], axis=2)
    lips = moved[:, rig["label"] == names.index("lips")].mean(1)
    tongue = moved[:, rig["label"] == names.index("tongue")].mean(1)
    weight = np.sqrt(lips + 0.3 * tongue)
    weight = np.maximum(weight, 0.3 * weight.max())
    return np.asarray(weight / weight.mean(), dtype=np.float32)


def _segments(phones: Sequence[Phone]) -> list[tuple[_Viseme, float, float, float]]:
    """Phones as (viseme, start_s, end_s, amount); a diphthong gives two."""
    segments = []
    for phone in phones:
        viseme = _VISEMES[_PHONE_TO_VISEME.get(phone.name, "E" if phone.name.isalpha() else "sil")]
        amount, end_s = _AMOUNT.get(phone.name, 1.0), phone.end_s
        if phone.name in _GLIDES_TO:
            end_s = phone.start_s + 0.6 * (phone.end_s - phone.start_s)
            segments.append((_VISEMES[_GLIDES_TO[phone.name]], end_s, phone.end_s, 0.8))
        segments.append((viseme, phone.start_s, end_s, amount))
    return segments


def _vector(viseme: _Viseme) -> NDArray[np.float64]:
    return np.array([viseme.shape.get(name, 0.0) for name in MOUTH_NAMES])
