"""Reads a LibriSpeech folder in its published layout: SUBSET/SPEAKER/CHAPTER/*.flac with a transcript per chapter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.errors import StudioError

WHERE = "Download a subset, for example train-clean-100, from OpenSLR (resource 12, CC BY 4.0) and unpack it."
SPEAKERS = "SPEAKERS.TXT"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording.

    Attributes:
        id: as published, for example 103-1240-0000.
        speaker: number of the speaker.
        sex: F or M.
        subset: for example train-clean-100.
        file: FLAC, 16 kHz, mono.
        text: the transcript.
    """

    id: str
    speaker: int
    sex: str
    subset: str
    file: Path
    text: str

    @property
    def name(self) -> str:
        """Name of the recording in our data folder."""
        return f"librispeech_{self.subset}_{self.sex}_{self.id}"


def read_librispeech(folder: Path) -> list[Utterance]:
    """All utterances in a folder, by id.

    Args:
        folder: the unpacked LibriSpeech folder, or one subset of it.

    Raises:
        StudioError: there is no transcript in it, or the list of speakers is missing.
    """
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        raise StudioError(f"{folder} holds no LibriSpeech transcripts (*.trans.txt).", WHERE)
    sexes = _sexes(folder)
    found = [utterance for file in transcripts for utterance in _read_chapter(file, sexes)]
    return sorted(found, key=lambda utterance: tuple(int(part) for part in utterance.id.split("-")))


def first_of_each_speaker(utterances: Iterable[Utterance]) -> list[Utterance]:
    """One utterance per speaker, the first by id: many speakers improve training more than many sentences of few."""
    first: dict[int, Utterance] = {}
    for utterance in utterances:
        first.setdefault(utterance.speaker, utterance)
    return list(first.values())


def _read_chapter(transcript: Path, sexes: dict[int, str]) -> list[Utterance]:
    utterances = []
    for line in _lines(transcript):
        utterance_id, _, text = line.partition(" ")
        speaker = _number(utterance_id.split("-")[0], transcript)
        file = transcript.with_name(f"{utterance_id}.flac")
        if not text.strip() or not file.is_file():
            continue
        subset = transcript.parents[2].name
        utterances.append(Utterance(utterance_id, speaker, sexes.get(speaker, "U"), subset, file, text.lower().strip()))
    return utterances


def _sexes(folder: Path) -> dict[int, str]:
    """Sex by number of the speaker, from the list beside the subsets."""
    for place in (folder, *list(folder.resolve().parents)[:2]):
        file = place / SPEAKERS
        if file.is_file():
            rows = [line.split("|") for line in _lines(file) if not line.startswith(";")]
            return {_number(row[0], file): row[1].strip() for row in rows if len(row) > 1}
    raise StudioError(f"{SPEAKERS} is neither in {folder} nor above it.", "Copy it there from the LibriSpeech archive.")


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeError) as error:
        raise StudioError(f"{file} cannot be read: {error}.", WHERE) from error


def _number(text: str, file: Path) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise StudioError(f"{file} has a line that begins with {text.strip()!r}, not with a number.", WHERE) from error
