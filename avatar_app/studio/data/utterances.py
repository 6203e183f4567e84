"""Utterances that are ready for training, and their cache files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.data.mel import linear_magnitudes
from avatar_app.studio.mouth import CURVE_HZ, Phone, curves_of, phones_over_time

_FIELDS = ("magnitudes", "mouth", "phones")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance ready for training.

    Attributes:
        name: unique in the corpus.
        magnitudes: (T, 401) float16, a row per mel column.
        mouth: (N, 14) float32, value k at (k + 0.5) / 100 s.
        phones: (N,) int64, index into `mouth.PHONES` at the same instants.
        trust: 0..1.
    """

    name: str
    magnitudes: NDArray[np.float16]
    mouth: NDArray[np.float32]
    phones: NDArray[np.int64]
    trust: float


def read_16khz(file: Path) -> NDArray[np.float32]:
    """Samples of a recording at 16 kHz, (n,) float32.

    Raises:
        StudioError: the file cannot be read, or has another rate.
    """
    import soundfile

    try:
        samples, rate_hz = soundfile.read(str(file), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise StudioError(f"The recording {file} cannot be read: {error}.", "Check the data folder.") from error
    if rate_hz != MEL.rate_hz:
        raise StudioError(f"The recording {file} has {rate_hz} Hz.", f"Convert it to {MEL.rate_hz} Hz.")
    return np.asarray(samples.mean(1), dtype=np.float32)


def make_utterance(name: str, samples: NDArray[np.float32], phones: Sequence[Phone], trust: float) -> Utterance:
    """Prepare a recording for training.

    Args:
        name: of the utterance.
        samples: (n,) float32 at 16 kHz.
        phones: in order; empty for a sound without speech.
        trust: reliability of the phone times, 0..1.
    """
    n_values = int(np.ceil(len(samples) / MEL.rate_hz * CURVE_HZ))
    return Utterance(
        name=name,
        magnitudes=linear_magnitudes(samples).astype(np.float16),
        mouth=curves_of(phones, n_values),
        phones=phones_over_time(phones, n_values),
        trust=trust,
    )


def cached(file: Path, make: Callable[[], list[Utterance]], names: Sequence[str] | None = None) -> list[Utterance]:
    """Utterances from a cache file, which is written when it is missing or has other utterances.

    Args:
        file: an `.npz` file; its folder is made.
        make: makes the utterances; an empty list is not stored, because flite may be installed later.
        names: of the wanted utterances; None when they never change.

    Raises:
        StudioError: the file cannot be written.
    """
    if file.exists():
        with np.load(file) as packed:
            kept = packed["names"].tolist()
            if kept and names in (None, kept):
                return _unpack(packed)
    utterances = make()
    if utterances:
        with written(file) as opened:
            np.savez(opened, **_pack(utterances))  # type: ignore[arg-type]  # numpy's stub takes the names for flags
    return utterances


def _pack(utterances: Sequence[Utterance]) -> dict[str, NDArray[np.generic]]:
    return {
        "names": np.array([u.name for u in utterances]),
        "trust": np.array([u.trust for u in utterances]),
        "n_columns": np.array([len(u.magnitudes) for u in utterances]),
        "n_values": np.array([len(u.mouth) for u in utterances]),
        **{field: np.concatenate([getattr(u, field) for u in utterances]) for field in _FIELDS},
    }


def _unpack(packed: np.lib.npyio.NpzFile) -> list[Utterance]:
    columns, values = (np.cumsum(packed[name])[:-1] for name in ("n_columns", "n_values"))
    parts = zip(
        packed["names"],
        np.split(packed["magnitudes"], columns),
        np.split(packed["mouth"], values),
        np.split(packed["phones"], values),
        packed["trust"],
        strict=True,
    )
    return [Utterance(str(name), m, mouth, phones, float(trust)) for name, m, mouth, phones, trust in parts]
