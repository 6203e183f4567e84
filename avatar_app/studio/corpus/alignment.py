"""Forced alignment: when each phone of a known text is spoken. The only module that imports pocketsphinx."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.studio.mouth import Phone

FRAMES_PER_S = 100
# The model's fillers for noise, breath and coughs; the mouth rests there.
FILLERS = "+["


class AlignmentError(Exception):
    """The sound does not match the text, or the text cannot be pronounced."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Phones in order.

    Attributes:
        phones: names as in `mouth.PHONES`.
        score: mean log-likelihood of a frame of speech; higher agrees better. Comparable within one corpus only.
        n_unknown: words that the dictionary lacks.
    """

    phones: tuple[Phone, ...]
    score: float
    n_unknown: int


class Aligner:
    """Aligns English speech at 16 kHz with its text, in two passes: words, then the phones in them. Thread: one.

    Args:
        pronounce: phones of a word that the dictionary lacks, in the names of the CMU dictionary, lower case.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
    """

    def __init__(self, pronounce: Callable[[str], tuple[str, ...]]) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise MissingExtraError(
                "Forced alignment needs the package pocketsphinx.",
                "Install the extra align: .venv/bin/pip install -e '.[align]'",
            ) from error
        self._pronounce = pronounce
        # No language model: the text is known. No best path: it moves the words' borders, and then the second pass
        # fails in a fifth of LibriSpeech (pocketsphinx 5.1).
        self._decoder: Any = Decoder(lm=None, bestpath=False, beam=1e-100, wbeam=1e-80, pbeam=1e-100, loglevel="FATAL")

    def align(self, samples: NDArray[np.int16], text: str) -> Alignment:
        """Find each phone.

        Args:
            samples: (n,) int16 at 16 kHz.
            text: the words that are spoken, without punctuation.

        Raises:
            AlignmentError: the sound does not match the text, or a word cannot be pronounced.
        """
        words = text.lower().split()
        n_unknown = sum(self._add(word) for word in words)
        try:
            self._decoder.set_align_text(" ".join(words))
            self._pass(samples)
            # Checked after the first pass only: after the second one `hyp` crashes in pocketsphinx 5.1.
            if self._decoder.hyp() is None:
                raise AlignmentError("the sound and the text do not fit")
            self._decoder.set_alignment()
            self._pass(samples)
            found = self._decoder.get_alignment()
        except (RuntimeError, ValueError) as error:
            raise AlignmentError(f"the sound and the text do not fit: {error}") from error
        if found is None:
            raise AlignmentError("the sound and the text do not fit")
        return _alignment([phone for word in found for phone in word], n_unknown)

    def _pass(self, samples: NDArray[np.int16]) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()

    def _add(self, word: str) -> bool:
        """Add a word to the dictionary if it is missing; returns whether it was."""
        if self._decoder.lookup_word(word) is not None:
            return False
        phones = self._pronounce(word)
        if not phones:
            raise AlignmentError(f"{word!r} cannot be pronounced")
        self._decoder.add_word(word, " ".join(phones).upper(), True)
        return True


def _alignment(found: list[Any], n_unknown: int) -> Alignment:
    phones, scores, n_frames = [], 0.0, 0
    for entry in found:
        name = "sil" if entry.name[0] in FILLERS else entry.name.lower()
        start_s = entry.start / FRAMES_PER_S
        phones.append(Phone(name, start_s, start_s + entry.duration / FRAMES_PER_S))
        if name != "sil":
            scores += entry.score
            n_frames += entry.duration
    if not n_frames:
        raise AlignmentError("it contains no speech")
    return Alignment(tuple(phones), scores / n_frames, n_unknown)
