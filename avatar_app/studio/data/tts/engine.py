"""What a speech synthesizer is."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import Float32

RATE_HZ = MEL.rate_hz
_LEVEL_DB = -26.0


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of an engine.

    Attributes:
        engine: name of the engine.
        name: name of the voice, unique in its engine.
        language: two letters, ISO 639-1.
        sex: "f", "m" or "" if unknown.
        naturalness: predicted listening score of its engine, 1..5 (DNSMOS on English); orders voices.
    """

    engine: str
    name: str
    language: str
    sex: str = ""
    naturalness: float = 1.0

    @property
    def id(self) -> str:
        """Name that is unique over all engines."""
        return f"{self.engine}-{self.name}"


class Engine(Protocol):
    """A speech synthesizer. Thread: one at a time."""

    @property
    def name(self) -> str:
        """Its name, in lower case."""
        ...

    def is_available(self) -> bool:
        """Whether its program or packages are installed; loads nothing."""
        ...

    def voices(self, language: str) -> Sequence[Voice]:
        """Its voices of a language (two letters); empty if it has none or is not installed."""
        ...

    def speak(self, text: str, voice: Voice) -> Float32:
        """Speak a text.

        Args:
            text: in the language of the voice.
            voice: one of `voices`.

        Returns:
            (n,) float32 at 16 kHz, at one level for all engines; n is above 0.

        Raises:
            MissingExtraError: the engine is not installed.
            StudioError: the engine failed, or the text holds nothing to say.
        """
        ...


def has_package(name: str) -> bool:
    """Whether a Python package is installed; does not import it."""
    return importlib.util.find_spec(name) is not None


def import_package(name: str, what_to_do: str) -> Any:
    """Import an optional package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"This voice needs the package {name}.", what_to_do) from error


def normalised(samples: NDArray[np.floating], rate_hz: int) -> Float32:
    """Samples at 16 kHz with the same root mean square for all engines.

    Args:
        samples: (n,) of any level.
        rate_hz: of the samples.
    """
    import soxr

    x = np.asarray(samples, dtype=np.float32)
    if rate_hz != RATE_HZ:
        x = np.asarray(soxr.resample(x, rate_hz, RATE_HZ), dtype=np.float32)
    rms = float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0
    if rms <= 0:
        return x
    scaled = x * (10 ** (_LEVEL_DB / 20) / rms)
    return np.asarray(np.clip(scaled, -1, 1), dtype=np.float32)
