"""Computes a feature by its name, and keeps it in a cache."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.data.features.feature import Extractor, Features, Samples
from avatar_app.studio.data.features.pretrained import EmbeddingExtractor, PhonemeExtractor, is_installed
from avatar_app.studio.data.features.self_supervised import PREFIX, SelfSupervisedExtractor
from avatar_app.studio.data.features.spectral import MelExtractor, MfccExtractor

# A change of an extractor's output changes this number, so that old cache files are not used.
VERSION = 1

_EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "mel": MelExtractor,
    "mfcc": MfccExtractor,
    "phonemes": PhonemeExtractor,
    "embedding": EmbeddingExtractor,
}
_PACKAGES = {"phonemes": PhonemeExtractor.PACKAGE, "embedding": EmbeddingExtractor.PACKAGE}

# `self-supervised:FOLDER_OR_HUB_NAME[#LAYER]` is a name too.
NAMES = tuple(_EXTRACTORS)


def compute(name: str, samples: Samples, cache: Path | None = None) -> Features:
    """A feature of a sound.

    Args:
        name: one of `NAMES`, or `self-supervised:FOLDER_OR_HUB_NAME[#LAYER]`.
        samples: (n,) float32 in -1..1 at 16 kHz.
        cache: folder in which results are kept by sound and feature; None keeps nothing.

    Returns:
        `(values, rate_hz)`: (T, C) float32, T = ceil(n * rate_hz / 16000); row k at (k + 0.5) / rate_hz seconds.

    Raises:
        MissingExtraError: the package of the feature is not installed.
        StudioError: there is no such feature, its model cannot be loaded, or the cache cannot be written.
    """
    file = None if cache is None else cache / _file_name(name, samples)
    kept = None if file is None else _read(file)
    if kept is not None:
        return kept
    extractor = _extractor(name)
    found = Features(extractor.rows(np.ascontiguousarray(samples, dtype=np.float32)), extractor.rate_hz)
    if file is not None:
        with written(file) as opened:
            np.savez(opened, values=found.values, rate_hz=found.rate_hz)
    return found


def is_available(name: str) -> bool:
    """Whether the package of a feature is installed."""
    return name in _EXTRACTORS and (name not in _PACKAGES or is_installed(_PACKAGES[name]))


def widths(names: tuple[str, ...]) -> tuple[int, ...]:
    """Columns of each feature."""
    return tuple(_extractor(name).width for name in names)


@functools.lru_cache(maxsize=8)
def _extractor(name: str) -> Extractor:
    if name.startswith(PREFIX):
        return SelfSupervisedExtractor(name[len(PREFIX) :])
    if name not in _EXTRACTORS:
        raise StudioError(f"There is no speech feature {name!r}.", f"Use one of: {', '.join(NAMES)}, {PREFIX}FOLDER.")
    return _EXTRACTORS[name]()


def _file_name(name: str, samples: Samples) -> str:
    digest = hashlib.sha256(f"{VERSION}|{name}|".encode())
    digest.update(np.ascontiguousarray(samples, dtype=np.float32).tobytes())
    return f"{name.partition(':')[0]}-{digest.hexdigest()[:24]}.npz"


def _read(file: Path) -> Features | None:
    """The kept feature; None when there is none, or the file is damaged."""
    try:
        with np.load(file) as kept:
            return Features(kept["values"].astype(np.float32), float(kept["rate_hz"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
