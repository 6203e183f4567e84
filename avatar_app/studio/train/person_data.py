"""Sentences of one person, and the same sentences spoken by synthetic voices, for adapting the speech encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import Float32
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import linear_magnitudes
from avatar_app.studio.data.tts.pairing import fit_to_recording
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.mouth import CURVE_HZ
from avatar_app.studio.nets.speech_encoder import STEP_COLUMNS

PICTURES_PER_S = 25
# Gap between the inner lips per unit of each parameter, in millimetres, of the head that the parameters come from.
OPENING_MM = np.array([26.2, -26.2, 1.9, 16.2, -1.4, -0.1, -1.0, 2.2, 7.2, -1.4, 1.1, 0.0, 0.0, 0.0], dtype=np.float32)
_OUTPUTS_PER_S = MEL.columns_per_s / STEP_COLUMNS
# Sentences with a smaller share of usable pictures are left out.
_LEAST_USABLE = 0.8


class PersonSentence(Protocol):
    """One sentence of a person; `PersonClip` is one."""

    @property
    def name(self) -> str:
        """Unique among the sentences."""

    @property
    def split(self) -> Split:
        """Use of the sentence."""

    @property
    def text(self) -> str:
        """The spoken words; empty if unknown."""

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """(n,) bool, whether the mouth of each picture could be measured."""

    def mouth(self) -> Float32:
        """(n, 14) float32, mouth parameters of picture k at (k + 0.5) / 25 s."""

    def samples(self) -> Float32:
        """(n * 640,) float32 at 16 kHz."""


@dataclass(frozen=True, slots=True)
class SyntheticSentence:
    """A sentence by a synthetic voice, with the motion of the person.

    Attributes:
        voice: name of the voice.
        magnitudes: (T, 401) float16, a row per mel column of the synthetic sound.
        n_pictures: its length at 25 fps.
        mouth: (M, 14) float32, the person's motion at 25 fps; M and `n_pictures` differ.
    """

    voice: str
    magnitudes: NDArray[np.float16]
    n_pictures: int
    mouth: Float32


def usable_sentences(sentences: Sequence[PersonSentence]) -> list[PersonSentence]:
    """The sentences whose mouth could be measured in most pictures."""
    return [one for one in sentences if np.mean(one.is_usable) >= _LEAST_USABLE]


def utterance_of(sentence: PersonSentence) -> Utterance:
    """A sentence as training reads it; its phones are unknown."""
    samples, mouth = sentence.samples(), sentence.mouth()
    n_values = len(mouth) * CURVE_HZ // PICTURES_PER_S
    t_s = (np.arange(n_values) + 0.5) / CURVE_HZ
    at_s = (np.arange(len(mouth)) + 0.5) / PICTURES_PER_S
    curves = np.stack([np.interp(t_s, at_s, column) for column in mouth.T], axis=1)
    return Utterance(
        name=sentence.name,
        magnitudes=linear_magnitudes(samples).astype(np.float16),
        mouth=curves.astype(np.float32),
        phones=np.zeros(n_values, dtype=np.int64),
        trust=1.0,
    )


def synthetic_sentence(sentence: PersonSentence, voice: str, spoken: Float32) -> SyntheticSentence:
    """Pair a synthetic voice with the motion of the person.

    Args:
        sentence: of the person.
        voice: name of the voice.
        spoken: (m,) at 16 kHz, the same text.
    """
    fitted = fit_to_recording(spoken, sentence.samples())
    return SyntheticSentence(
        voice=voice,
        magnitudes=linear_magnitudes(fitted).astype(np.float16),
        n_pictures=len(fitted) * PICTURES_PER_S // MEL.rate_hz,
        mouth=sentence.mouth(),
    )


def at_pictures(outputs: Tensor, n_pictures: int, lookahead_ms: int) -> Tensor:
    """Outputs of one look-ahead at the instants of the pictures, by linear interpolation.

    Args:
        outputs: (..., N) of a network over a sound that follows `window_columns - 1` columns of silence.
        n_pictures: at 25 fps, the first at 0.02 s.
        lookahead_ms: of the outputs.

    Returns:
        (..., n_pictures).
    """
    t_s = (np.arange(n_pictures) + 0.5) / PICTURES_PER_S + lookahead_ms / 1000
    position = np.clip(t_s * _OUTPUTS_PER_S, 0, outputs.shape[-1] - 1)
    lower = np.minimum(position.astype(np.int64), outputs.shape[-1] - 2)
    share = torch.from_numpy((position - lower).astype(np.float32))
    first = torch.from_numpy(lower)
    return outputs[..., first] * (1 - share) + outputs[..., first + 1] * share


def padded_magnitudes(pieces: Sequence[NDArray[np.float16]], window_columns: int) -> Tensor:
    """Magnitudes (B, T, 401) float32 of whole sounds, with the silence around them that all look-aheads need."""
    after = round(max(LOOKAHEADS_MS) / 1000 * MEL.columns_per_s) + 2 * STEP_COLUMNS
    rows = [torch.from_numpy(piece.astype(np.float32)) for piece in pieces]
    padded = [torch.nn.functional.pad(row, (0, 0, window_columns - 1, after)) for row in rows]
    return pad_sequence(padded, batch_first=True)


def speak_all(
    sentences: Sequence[PersonSentence], texts: Sequence[str], speak: Sequence[Callable[[str], Float32]]
) -> list[SyntheticSentence]:
    """Every sentence with a text, spoken by every voice."""
    return [
        synthetic_sentence(sentence, f"voice {number}", voice(text))
        for number, voice in enumerate(speak)
        for sentence, text in zip(sentences, texts, strict=True)
        if text
    ]
