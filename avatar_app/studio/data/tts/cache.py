"""Keeps synthesised sentences, because the better engines are slow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.data.tts.engine import Engine, Voice

_INT16 = 32767.0


class SpeechCache:
    """Speaks texts, and keeps the sounds in a folder. Thread: one.

    Args:
        folder: of the sounds; made when needed.
        engines: by name.
    """

    def __init__(self, folder: Path, engines: Mapping[str, Engine]) -> None:
        self._folder = folder
        self._engines = engines

    def speak(self, text: str, voice: Voice) -> Float32:
        """The sound of a text, see `Engine.speak`; from the folder if it is there.

        Raises:
            MissingExtraError: the engine is not installed.
            StudioError: the engine failed, or the sound cannot be written.
        """
        file = self._folder / f"{_key(text, voice)}.npy"
        kept = _read(file)
        if kept is not None:
            return kept
        if voice.engine not in self._engines:
            raise StudioError(f"There is no speech synthesizer {voice.engine!r}.", "Choose another voice.")
        samples = self._engines[voice.engine].speak(text, voice)
        with written(file) as opened:
            np.save(opened, np.round(samples * _INT16).astype(np.int16))
        return np.asarray(np.round(samples * _INT16) / _INT16, dtype=np.float32)


def _key(text: str, voice: Voice) -> str:
    facts = json.dumps([voice.engine, voice.name, voice.language, text], ensure_ascii=False)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _read(file: Path) -> Float32 | None:
    """A sound of the folder; None if it is missing or damaged."""
    try:
        samples = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(samples / _INT16, dtype=np.float32) if samples.dtype == np.int16 and samples.ndim == 1 else None
