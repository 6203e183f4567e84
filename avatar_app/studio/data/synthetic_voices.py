"""Synthetic voices: texts that flite speaks, with exact phone times."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from avatar_app.studio.data.flite import Flite
from avatar_app.studio.data.utterances import Utterance, make_utterance, read_16khz

log = logging.getLogger(__name__)

VOICES = ("rms", "slt", "awb", "kal16")
DURATION_RATIOS = (0.85, 1.0, 1.15)


def synthesize(texts: Sequence[tuple[str, str]]) -> list[Utterance]:
    """Synthesize texts with the voices of flite, in turn.

    Args:
        texts: (name, text) pairs.

    Returns:
        One utterance per text; none, with a warning, when flite is not installed.

    Raises:
        StudioError: flite failed.
    """
    if not Flite.is_installed():
        log.warning("flite is not installed: training uses no synthetic voices")
        return []
    flite, names = Flite(), synthetic_names([name for name, _ in texts])
    utterances = []
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        for index, (name, (_, text)) in enumerate(zip(names, texts, strict=True)):
            ratio = DURATION_RATIOS[index % len(DURATION_RATIOS)]
            phones = flite.speak(text, _voice(index), wav, duration_ratio=ratio)
            utterances.append(make_utterance(name, read_16khz(wav), phones, 1.0))
    return utterances


def synthetic_names(names: Sequence[str]) -> list[str]:
    """The names of the synthetic utterances with the texts of some recordings."""
    return [f"flite_{_voice(index)}_{name}" for index, name in enumerate(names)]


def _voice(index: int) -> str:
    return VOICES[index % len(VOICES)]
