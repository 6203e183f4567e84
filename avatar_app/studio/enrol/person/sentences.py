"""Cuts takes at silences into sentences, pairs them with the lines of a text, and chooses the split.

Speech is louder than the room by a share of the distance between the room and the loudest sound, and near a loud voiced
sound: breath and clicks are not. A line of the text may have pauses; then it pairs with several pieces in a row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, Float32
from avatar_app.live.audio.voicing import PITCH_SAMPLES, periodicity
from avatar_app.live.webcam.recording_checks import ROOM_PERCENTILE, SPEECH_PERCENTILE, block_levels_db
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.checks import MIN_OPENING_RANGE
from avatar_app.studio.enrol.person.material import PersonClip
from avatar_app.studio.enrol.person.recorded import Recorded
from avatar_app.studio.enrol.video_import import SAMPLES_PER_PICTURE

BLOCKS_PER_S = LIVE_RATE_HZ // BLOCK_SAMPLES
# Digital silence, as where the sound begins late, is not the room.
MAX_RANGE_DB = 45.0
# Levels are smoothed over this time.
SMOOTH_S = 0.05
# Thresholds for speech and for its loud vowels, between the room (0) and the loudest sound (1) in dB.
SPEECH_SHARE, VOWEL_SHARE = 0.35, 0.6
# Periodicity of a voiced sound, and the longest time without voice inside a word, as in "six".
MIN_PERIODICITY, NEAR_VOICE_S = 0.6, 0.25
# A shorter pause belongs to a sentence; in a sentence that is longer than `LONG_S`, shorter pauses separate too.
PAUSE_S, SHORT_PAUSE_S, LONG_S = 0.3, 0.12, 8.0
# A shorter sound is a click or a breath.
MIN_SPEECH_S = 0.3
MARGIN_S = 0.2
# One sentence in so many for validation, and one for the test.
ONE_IN = 8
MIN_SENTENCES = 3
MIN_USABLE_RATIO = 0.5
# A line may be spoken so much faster or slower than the others.
MAX_TEMPO_RATIO = 3.0
# Of any text and language, with the extra letters.
MIN_LETTERS_PER_S, MAX_LETTERS_PER_S = 4.0, 30.0
# Pauses and short words make the tempo of short lines vary: so many letters are added to each line.
EXTRA_LETTERS = 6
# Lines and pieces that may belong together.
MAX_MERGED = 8
STEPS = [(n, 1) for n in range(1, MAX_MERGED + 1)] + [(1, n) for n in range(2, MAX_MERGED + 1)]
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+")
MIN_LINES = 3


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in a take.

    Attributes:
        take: index of the take.
        first: its first picture, with some silence before the speech.
        end: the picture after its last, with some silence after the speech.
        text: what is spoken; empty if unknown.
        split: use of the sentence.
    """

    take: int
    first: int
    end: int
    text: str = ""
    split: Split = Split.TRAIN


def find_sentences(sounds: Sequence[Float32]) -> list[Sentence]:
    """Cut takes at silences.

    Args:
        sounds: (n * 640,) float32 at 16 kHz of each take.

    Returns:
        The pieces of speech in order, each with up to 0.2 s of silence on either side.
    """
    levels = [_smooth(block_levels_db(samples)) for samples in sounds]
    room_db, loud_db = np.percentile(np.concatenate(levels), (ROOM_PERCENTILE, SPEECH_PERCENTILE))
    room_db = max(room_db, loud_db - MAX_RANGE_DB)
    speech_db, vowel_db = (room_db + share * (loud_db - room_db) for share in (SPEECH_SHARE, VOWEL_SHARE))
    found = []
    for number, (level_db, samples) in enumerate(zip(levels, sounds, strict=True)):
        spans = _speech((level_db > speech_db) & _near_voice(samples, level_db > vowel_db))
        found += [Sentence(number, *span) for span in _with_margins(spans, len(samples) // SAMPLES_PER_PICTURE)]
    return found


def clips_of(
    recorded: Recorded, sounds: Sequence[Float32], params: Sequence[Float32], gaps: Sequence[Float32], text: str = ""
) -> list[PersonClip]:
    """Cut all takes into sentences.

    Args:
        recorded: takes and face crops.
        sounds: (n * 640,) float32 at 16 kHz of each take, in sync with its pictures.
        params: (n, 14) float32 of each take.
        gaps: (n,) float32 of each take, see `PersonClip.gap`.
        text: what is spoken in the takes to learn from, a sentence a line; empty if unknown.

    Raises:
        StudioError: there are too few sentences, or the text does not fit.
    """
    n = recorded.n_learned
    learned = with_text([one for one in find_sentences(sounds[:n]) if _has_moved(one, gaps)], text)
    learned = [one for one in learned if _usable_ratio(recorded, one) >= MIN_USABLE_RATIO]
    has_held_out = len(sounds) > n
    sentences = with_split(learned, has_test=not has_held_out)
    if has_held_out:
        held_out = [replace(one, take=one.take + n, split=Split.TEST) for one in find_sentences(sounds[n:])]
        held_out = [one for one in held_out if _has_moved(one, gaps)]
        sentences += [one for one in held_out if _usable_ratio(recorded, one) >= MIN_USABLE_RATIO]
    return [_clip(recorded, one, sounds, params, gaps) for one in sentences]


def with_split(sentences: Sequence[Sentence], *, has_test: bool = True) -> list[Sentence]:
    """Choose sentences for validation and test, spread over the whole recording; the same in every run.

    Args:
        sentences: in order.
        has_test: whether some are for the test; else other recordings are.

    Raises:
        StudioError: there are too few.
    """
    n = len(sentences)
    if n < MIN_SENTENCES:
        raise StudioError(
            f"Only {n} of the {MIN_SENTENCES} sentences that are needed were found in the video.",
            "Speak at least half a minute, with a short pause after each sentence.",
        )
    n_each = max(1, round(n / ONE_IN))
    step = n / n_each
    chosen = {int((k + 0.25) * step): Split.VALIDATION for k in range(n_each)}
    if has_test:
        chosen |= {int((k + 0.75) * step): Split.TEST for k in range(n_each)}
    return [replace(one, split=chosen.get(k, Split.TRAIN)) for k, one in enumerate(sentences)]


def with_text(pieces: Sequence[Sentence], text: str) -> list[Sentence]:
    """Pair the lines of a text with pieces of speech in order, so that all have about the same tempo.

    A line may be spoken in several pieces, and several lines without a pause.

    Args:
        pieces: from `find_sentences`.
        text: a sentence a line; fewer than three lines are split at the ends of sentences. Empty if unknown.

    Returns:
        Sentences with their text; the pieces themselves without a text.

    Raises:
        StudioError: the text is much longer or shorter than the speech, as a whole or somewhere.
    """
    lines = _lines(text)
    if not lines or not pieces:
        return list(pieces)
    letters = np.array([EXTRA_LETTERS + sum(c.isalnum() for c in line) for line in lines], np.float64)
    found = []
    for some_lines, some_pieces in _pairs(pieces, letters):
        said, run = " ".join(lines[some_lines]), pieces[some_pieces]
        rate = letters[some_lines].sum() / _seconds(run)
        mean_rate = letters.sum() / sum(_seconds([piece]) for piece in pieces)
        _check_rate(said, rate, mean_rate, _seconds(run))
        found.append(replace(run[0], end=run[-1].end, text=said))
    return found


def _check_rate(said: str, rate: float, mean_rate: float, seconds: float) -> None:
    """Raises: StudioError: a line, or the text as a whole, is spoken much faster or slower than people speak."""
    is_odd = not 1 / MAX_TEMPO_RATIO < rate / mean_rate < MAX_TEMPO_RATIO
    if is_odd or not MIN_LETTERS_PER_S < mean_rate < MAX_LETTERS_PER_S:
        raise StudioError(
            f"The text does not fit the sound: “{said[:60]}” would take {seconds:.1f} s.",
            "Give the text that is spoken, a sentence a line, or leave the text out.",
        )


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < MIN_LINES:
        lines = [part for line in lines for part in SENTENCE_END.split(line)]
    return lines


def _pairs(pieces: Sequence[Sentence], letters: NDArray[np.float64]) -> list[tuple[slice, slice]]:
    """Which lines belong to which pieces: dynamic programming over the squared logarithm of the tempo.

    Raises:
        StudioError: no pairing keeps every line inside one take.
    """
    n_lines, n_pieces = len(letters), len(pieces)
    mean_rate = letters.sum() / sum(_seconds([piece]) for piece in pieces)
    cost = np.full((n_lines + 1, n_pieces + 1), np.inf)
    back: dict[tuple[int, int], tuple[int, int]] = {}
    cost[0, 0] = 0
    for line, piece in itertools.product(range(n_lines), range(n_pieces)):
        for n_said, n_run in STEPS:
            end = line + n_said, piece + n_run
            if end[0] > n_lines or end[1] > n_pieces or pieces[piece].take != pieces[end[1] - 1].take:
                continue
            rate = letters[line : end[0]].sum() / _seconds(pieces[piece : end[1]])
            candidate = cost[line, piece] + np.log(rate / mean_rate) ** 2
            if candidate < cost[end]:
                cost[end], back[end] = candidate, (line, piece)
    at, found = (n_lines, n_pieces), []
    while at != (0, 0):
        if at not in back:
            raise StudioError(
                f"The text does not fit the sound: it cannot be divided among {n_pieces} sentences.",
                "Give the text that is spoken, a sentence a line, or leave the text out.",
            )
        before = back[at]
        found.append((slice(before[0], at[0]), slice(before[1], at[1])))
        at = before
    return found[::-1]


def _seconds(pieces: Sequence[Sentence]) -> float:
    """Duration of the speech without its margins."""
    return max(MIN_SPEECH_S, (pieces[-1].end - pieces[0].first) / FPS - 2 * MARGIN_S)


def _smooth(levels_db: Float32) -> Float32:
    size = round(SMOOTH_S * BLOCKS_PER_S)
    return np.asarray(cv2.blur(levels_db[None], (size, 1), borderType=cv2.BORDER_REPLICATE)[0], np.float32)


def _near_voice(samples: Float32, is_loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which blocks are voiced, or near one that is."""
    is_voiced = np.zeros(len(is_loud), np.uint8)
    padded = np.pad(samples, (PITCH_SAMPLES - BLOCK_SAMPLES) // 2)
    for k in np.flatnonzero(is_loud):
        window = padded[k * BLOCK_SAMPLES :][:PITCH_SAMPLES]
        is_voiced[k] = len(window) == PITCH_SAMPLES and periodicity(window) > MIN_PERIODICITY
    size = 2 * round(NEAR_VOICE_S * BLOCKS_PER_S) + 1
    return np.asarray(cv2.dilate(is_voiced[None], np.ones((1, size), np.uint8))[0] > 0)


def _speech(is_loud: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Spans of speech in blocks of 10 ms."""
    spans = _spans(is_loud, PAUSE_S)
    found = []
    for start, end in spans:
        is_long = end - start > LONG_S * BLOCKS_PER_S
        parts = _spans(is_loud[start:end], SHORT_PAUSE_S) if is_long else [(0, end - start)]
        found += [(start + a, start + b) for a, b in parts]
    return [span for span in found if span[1] - span[0] >= MIN_SPEECH_S * BLOCKS_PER_S]


def _spans(is_loud: NDArray[np.bool_], pause_s: float) -> list[tuple[int, int]]:
    """Loud spans; those with a shorter pause between them are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_loud, [False]]).astype(np.int8)))
    spans: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2):
        if spans and start - spans[-1][1] < pause_s * BLOCKS_PER_S:
            spans[-1] = (spans[-1][0], int(end))
        else:
            spans.append((int(start), int(end)))
    return spans


def _with_margins(spans: Sequence[tuple[int, int]], n_pictures: int) -> list[tuple[int, int]]:
    """Spans in pictures with silence on either side, at most to the middle of the pause."""
    pictures = []
    for k, (start, end) in enumerate(spans):
        low = (spans[k - 1][1] + start) / 2 if k else 0
        high = (end + spans[k + 1][0]) / 2 if k + 1 < len(spans) else np.inf
        margin = MARGIN_S * BLOCKS_PER_S
        first = round(max(low, start - margin) * FPS / BLOCKS_PER_S)
        pictures.append((first, min(n_pictures, round(min(high, end + margin) * FPS / BLOCKS_PER_S))))
    return pictures


def _has_moved(one: Sentence, gaps: Sequence[Float32]) -> bool:
    """Whether the lips moved: a click, a breath or another person's voice is no sentence of this mouth."""
    gap = gaps[one.take][one.first : one.end]
    known = gap[np.isfinite(gap)]
    return known.size > 0 and float(np.subtract(*np.percentile(known, (95, 5)))) >= MIN_OPENING_RANGE


def _usable_ratio(recorded: Recorded, one: Sentence) -> float:
    return float(recorded.crops[one.take].is_usable[one.first : one.end].mean())


def _clip(
    recorded: Recorded,
    one: Sentence,
    sounds: Sequence[Float32],
    params: Sequence[Float32],
    gaps: Sequence[Float32],
) -> PersonClip:
    take, crops, span = recorded.takes[one.take], recorded.crops[one.take], slice(one.first, one.end)
    return PersonClip(
        name=f"{take.name}-{one.first:04d}",
        split=one.split,
        pictures=crops.frames[span],
        params=params[one.take][span],
        pose_deg=crops.pose_deg[span],
        is_usable=crops.is_usable[span],
        sound=sounds[one.take][one.first * SAMPLES_PER_PICTURE : one.end * SAMPLES_PER_PICTURE],
        gap=gaps[one.take][span],
        take=take.name,
        first=one.first,
        text=one.text,
    )
