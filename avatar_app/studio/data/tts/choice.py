"""The engines of this machine, and a choice of voices that differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from avatar_app.studio.data.tts.engine import Engine, Voice
from avatar_app.studio.data.tts.networks import HibariEngine, KokoroEngine, PiperEngine
from avatar_app.studio.data.tts.programs import EspeakEngine, FestivalEngine, FliteEngine

# Naturalness that a voice must gain to be preferred to one of the other sex or of an engine not chosen yet.
_SAME_SEX = 0.5
_SAME_ENGINE = 0.1


def available_engines() -> dict[str, Engine]:
    """The engines that are installed, by name; a new engine is one line here."""
    engines: tuple[Engine, ...] = (
        HibariEngine(), PiperEngine(), KokoroEngine(), FestivalEngine(), FliteEngine(), EspeakEngine(),
    )  # fmt: skip
    return {engine.name: engine for engine in engines if engine.is_available()}


def choose_voices(language: str, n: int, engines: Mapping[str, Engine] | None = None) -> list[Voice]:
    """Voices that are natural and differ: women and men in turn, from as many engines as possible.

    Args:
        language: two letters, ISO 639-1.
        n: wanted number.
        engines: by name; None for those of this machine.

    Returns:
        At most n voices, best first; fewer, or none, where this machine has no more. The first k of them are the
        choice for k voices.
    """
    engines = available_engines() if engines is None else engines
    left = [voice for engine in engines.values() for voice in engine.voices(language)]
    chosen: list[Voice] = []
    while left and len(chosen) < n:
        best = max(left, key=lambda voice: voice.naturalness - _sameness(voice, chosen))
        chosen.append(best)
        left.remove(best)
    return chosen


def _sameness(voice: Voice, chosen: Iterable[Voice]) -> float:
    """How much less a voice adds to those that are chosen."""
    others = list(chosen)
    n_sex = sum(other.sex == voice.sex for other in others) / max(1, len(others))
    n_engine = sum(other.engine == voice.engine for other in others)
    return _SAME_SEX * n_sex + _SAME_ENGINE * n_engine
